"""A Matrix client that nobody here wrote, for the tests: matrix-nio, over https.

It reads one JSON object on standard input: `homeserver` (an address), `user` (a full id), `password`,
and `steps`, a list of objects of which `step` names what to do. Each step prints one line of JSON with
what it saw; the first that fails ends everything, with one line on standard error and exit code 1.
`room` may be left out after a step that created or joined one, `mxc` and `sha256` after an upload.

The authorities to trust come from SSL_CERT_FILE. It must not be given a password in another way than
on standard input, not print one, not try again what failed, and not read the server's files.
"""

import asyncio
import hashlib
import io
import json
import logging
import os
import sys

from nio import (
    AsyncClient,
    AsyncClientConfig,
    ErrorResponse,
    RoomMessageText,
    RoomPreset,
)

# For a step that does not say otherwise.
SECONDS = 60
# All that a test has said in a room, also in one that was joined late.
FILTER = {"room": {"timeline": {"limit": 100}}}


class Failure(Exception):
    """A step did not see what it has to see."""


def good(response):
    """The response, if it is not an error."""
    if isinstance(response, ErrorResponse):
        status = getattr(response.transport_response, "status", "no")
        raise Failure(f"{response} (HTTP status {status})")
    return response


class Session:
    """One user's client, and what it has seen."""

    def __init__(self, client, password):
        self.client = client
        self.password = password
        self.room = None
        self.upload_of = {}
        self.messages = []
        self.invited = {}

    def room_of(self, step):
        room = step.get("room", self.room)
        if room is None:
            raise Failure("no room is named, and none was created or joined")
        return room

    async def login(self, _):
        answer = good(await self.client.login(self.password, device_name="tests"))
        return {"user_id": answer.user_id, "device_id": answer.device_id}

    async def create_room(self, step):
        preset = RoomPreset.public_chat if step.get("public") else RoomPreset.private_chat
        answer = good(
            await self.client.room_create(
                preset=preset, alias=step.get("alias"), invite=step.get("invite", [])
            )
        )
        self.room = answer.room_id
        return {"room_id": answer.room_id}

    async def join(self, step):
        self.room = good(await self.client.join(step["room"])).room_id
        return {"room_id": self.room}

    async def send(self, step):
        content = {"msgtype": "m.text", "body": step["body"]}
        answer = await self.client.room_send(self.room_of(step), "m.room.message", content)
        return {"event_id": good(answer).event_id}

    async def wait_for(self, step):
        wanted = (self.room_of(step), step["sender"], step["body"])

        def seen():
            found = [m for m in self.messages if (m[0], m[1].sender, m[1].body) == wanted]
            return {"event_id": found[0][1].event_id} if found else None

        return await self.sync_until(seen)

    async def wait_invite(self, step):
        def seen():
            rooms = [r for r, by in self.invited.items() if by == step["sender"]]
            rooms = [r for r in rooms if step.get("room", r) == r]
            return {"room_id": rooms[0]} if rooms else None

        answer = await self.sync_until(seen)
        self.room = answer["room_id"]
        return answer

    async def sync_until(self, seen):
        """Syncs until there is an answer; the time limit of the step ends it."""
        while not (answer := seen()):
            sync = good(await self.client.sync(timeout=5000, sync_filter=FILTER))
            for room, info in sync.rooms.join.items():
                texts = [e for e in info.timeline.events if isinstance(e, RoomMessageText)]
                self.messages += [(room, text) for text in texts]
            for room, info in sync.rooms.invite.items():
                mine = [e for e in info.invite_state if getattr(e, "membership", "") == "invite"]
                self.invited.update({room: e.sender for e in mine})
        return answer

    async def upload(self, step):
        content = os.urandom(step["bytes"])
        answer, _ = await self.client.upload(
            io.BytesIO(content), "application/octet-stream", "random.bin", filesize=len(content)
        )
        self.upload_of = {
            "mxc": good(answer).content_uri,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return await self.download({})

    async def download(self, step):
        wanted = {**self.upload_of, **step}
        body = good(await self.client.download(wanted["mxc"])).body
        digest = hashlib.sha256(body).hexdigest()
        if digest != wanted["sha256"]:
            raise Failure(f"{wanted['mxc']} has {len(body)} bytes and is not what was uploaded")
        return {"mxc": wanted["mxc"], "bytes": len(body), "sha256": digest}

    async def logout(self, _):
        good(await self.client.logout())
        return {}


STEPS = "login create_room join send wait_for wait_invite upload download logout".split()


async def run(job):
    # Without these limits the library tries again for ever, and sits out the minutes of a rate limit.
    config = AsyncClientConfig(max_timeouts=0, max_limit_exceeded=0)
    client = AsyncClient(job["homeserver"], job["user"], config=config)
    session = Session(client, job["password"])
    try:
        for number, step in enumerate(job["steps"], 1):
            name = step.get("step")
            try:
                if name not in STEPS:
                    raise Failure("there is no such step")
                limit = step.get("seconds", SECONDS)
                saw = await asyncio.wait_for(getattr(session, name)(step), limit)
            except asyncio.TimeoutError:
                raise Failure(f"step {number}, {name}: not done after {limit} s") from None
            except KeyError as missing:
                raise Failure(f"step {number}, {name}: {missing} is missing") from None
            except Exception as error:
                what = str(error) or type(error).__name__
                raise Failure(f"step {number}, {name}: {what}") from None
            print(json.dumps({"step": name, **saw}), flush=True)
    finally:
        await client.close()


def main():
    # The library's warnings would be further lines on standard error.
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(run(json.load(sys.stdin)))
    except Failure as failure:
        sys.exit("client.py: " + " ".join(str(failure).split()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"client.py: standard input is not a job: {type(error).__name__} {error}")


if __name__ == "__main__":
    main()
