"""A third-party Matrix client for the tests: matrix-nio, over https.

It reads one JSON object from standard input: `homeserver` (a URL), `user` (a full id), `password`, and
`steps`, a list of objects whose key `step` names the action. Each step prints its result as one line of
JSON. The first step that fails ends the program, with one line on standard error and exit code 1.
`room` is optional after a step that created or joined one, `mxc` and `sha256` are after an upload.

SSL_CERT_FILE names the trusted certificate authorities. The client takes the password only from standard
input, never prints it, never retries a failed request, and never reads the server's files.
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

# The default timeout of a step.
SECONDS = 60
# Enough for all messages of a test, even in a room that was joined late.
FILTER = {"room": {"timeline": {"limit": 100}}}


class Failure(Exception):
    """A step failed."""


def checked(response):
    """Returns the response unless it is an error."""
    if isinstance(response, ErrorResponse):
        status = getattr(response.transport_response, "status", "no")
        raise Failure(f"{response} (HTTP status {status})")
    return response


class Session:
    """One user's client, and the events that it has received."""

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
            raise Failure("the step names no room, and none was created or joined")
        return room

    async def login(self, _):
        response = checked(await self.client.login(self.password, device_name="tests"))
        return {"user_id": response.user_id, "device_id": response.device_id}

    async def create_room(self, step):
        preset = RoomPreset.public_chat if step.get("public") else RoomPreset.private_chat
        response = checked(
            await self.client.room_create(
                preset=preset, alias=step.get("alias"), invite=step.get("invite", [])
            )
        )
        self.room = response.room_id
        return {"room_id": response.room_id}

    async def join(self, step):
        self.room = checked(await self.client.join(step["room"])).room_id
        return {"room_id": self.room}

    async def send(self, step):
        content = {"msgtype": "m.text", "body": step["body"]}
        response = await self.client.room_send(self.room_of(step), "m.room.message", content)
        return {"event_id": checked(response).event_id}

    async def wait_for(self, step):
        expected = (self.room_of(step), step["sender"], step["body"])

        def find():
            matches = [m for m in self.messages if (m[0], m[1].sender, m[1].body) == expected]
            return {"event_id": matches[0][1].event_id} if matches else None

        return await self.sync_until(find)

    async def wait_invite(self, step):
        def find():
            rooms = [r for r, by in self.invited.items() if by == step["sender"]]
            rooms = [r for r in rooms if step.get("room", r) == r]
            return {"room_id": rooms[0]} if rooms else None

        result = await self.sync_until(find)
        self.room = result["room_id"]
        return result

    async def sync_until(self, find):
        """Syncs until `find` returns a result, or until the timeout of the step."""
        while not (result := find()):
            sync = checked(await self.client.sync(timeout=5000, sync_filter=FILTER))
            for room, info in sync.rooms.join.items():
                texts = [e for e in info.timeline.events if isinstance(e, RoomMessageText)]
                self.messages += [(room, text) for text in texts]
            for room, info in sync.rooms.invite.items():
                mine = [e for e in info.invite_state if getattr(e, "membership", "") == "invite"]
                self.invited.update({room: e.sender for e in mine})
        return result

    async def upload(self, step):
        content = os.urandom(step["bytes"])
        response, _ = await self.client.upload(
            io.BytesIO(content), "application/octet-stream", "random.bin", filesize=len(content)
        )
        self.upload_of = {
            "mxc": checked(response).content_uri,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        return await self.download({})

    async def download(self, step):
        expected = {**self.upload_of, **step}
        body = checked(await self.client.download(expected["mxc"])).body
        digest = hashlib.sha256(body).hexdigest()
        if digest != expected["sha256"]:
            raise Failure(f"{expected['mxc']} has {len(body)} bytes and is not what was uploaded")
        return {"mxc": expected["mxc"], "bytes": len(body), "sha256": digest}

    async def logout(self, _):
        checked(await self.client.logout())
        return {}


STEPS = "login create_room join send wait_for wait_invite upload download logout".split()


async def run(job):
    # By default the library retries forever, and waits for minutes because of a rate limit.
    config = AsyncClientConfig(max_timeouts=0, max_limit_exceeded=0)
    client = AsyncClient(job["homeserver"], job["user"], config=config)
    session = Session(client, job["password"])
    try:
        for number, step in enumerate(job["steps"], 1):
            name = step.get("step")
            try:
                if name not in STEPS:
                    raise Failure("unknown step")
                timeout = step.get("seconds", SECONDS)
                result = await asyncio.wait_for(getattr(session, name)(step), timeout)
            except asyncio.TimeoutError:
                raise Failure(f"step {number}, {name}: not done after {timeout} s") from None
            except KeyError as missing:
                raise Failure(f"step {number}, {name}: {missing} is missing") from None
            except Exception as error:
                what = str(error) or type(error).__name__
                raise Failure(f"step {number}, {name}: {what}") from None
            print(json.dumps({"step": name, **result}), flush=True)
    finally:
        await client.close()


def main():
    # Warnings of the library would be additional lines on standard error.
    logging.disable(logging.CRITICAL)
    try:
        asyncio.run(run(json.load(sys.stdin)))
    except Failure as failure:
        sys.exit("client.py: " + " ".join(str(failure).split()))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        sys.exit(f"client.py: standard input is not valid: {type(error).__name__} {error}")


if __name__ == "__main__":
    main()
