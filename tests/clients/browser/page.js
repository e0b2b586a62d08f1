// The tests' page: matrix-js-sdk, the library that Element Web is built on, in the place of Element Web.
//
// It finds its homeserver as Element does, and shows drive.mjs functions in `window.client`. All that
// it asks of the homeserver goes across origins. It must not know an address, a name or a password of
// its own, and not work around what a browser refuses.

import {
  AutoDiscovery,
  ClientEvent,
  Preset,
  RoomEvent,
  RoomMemberEvent,
  SyncState,
  createClient,
} from "matrix-js-sdk";

/** Element asks for both files at once, and prefers its host's own. Nothing of them may be cached. */
async function readConfig() {
  const files = [`config.${location.hostname}.json`, "config.json"];
  const ask = (file) => fetch(`${file}?cachebuster=${Date.now()}`, { cache: "no-store" });
  const answers = await Promise.all(files.map(ask));
  for (const [number, answer] of answers.entries()) {
    if (answer.ok) return { file: files[number], config: await answer.json() };
  }
  throw new Error(`no configuration: ${answers.map(({ status, url }) => `${status} for ${url}`).join(", ")}`);
}

/** What the page needs before anybody can log in. */
async function open() {
  const { file, config } = await readConfig();
  const found = await AutoDiscovery.fromDiscoveryConfig(config.default_server_config);
  const { state, error, base_url: baseUrl } = found["m.homeserver"];
  if (state !== AutoDiscovery.SUCCESS) throw new Error(`the homeserver of ${file} is refused: ${error}`);
  const { versions } = await createClient({ baseUrl }).getVersions();
  return { file, config, baseUrl, versions };
}

const opened = open();
// Told to whoever asks for it; without this the browser would call it unhandled before.
opened.catch(() => {});

let client;
let uploaded;

/** The answer of `look`, which is asked again at each of the client's `events`. */
function seen(events, look) {
  return new Promise((resolve, reject) => {
    const again = () => {
      try {
        const answer = look();
        if (!answer) return;
        for (const event of events) client.off(event, again);
        resolve(answer);
      } catch (error) {
        reject(error);
      }
    };
    for (const event of events) client.on(event, again);
    again();
  });
}

/** The digest that client.py prints of the same bytes. */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

window.client = {
  opened: () => opened,

  /** What Element does with a server name that somebody types. */
  async discover(serverName) {
    const { state, error, base_url } = (await AutoDiscovery.findClientConfig(serverName))["m.homeserver"];
    if (state !== AutoDiscovery.SUCCESS) throw new Error(`${state}: ${error}`);
    return { base_url };
  },

  async login(user, password) {
    const { baseUrl } = await opened;
    const answer = await createClient({ baseUrl }).loginRequest({
      type: "m.login.password",
      identifier: { type: "m.id.user", user },
      password,
      initial_device_display_name: "tests",
    });
    client = createClient({
      baseUrl,
      accessToken: answer.access_token,
      userId: answer.user_id,
      deviceId: answer.device_id,
    });
    return { user_id: answer.user_id, device_id: answer.device_id };
  },

  async sync() {
    const prepared = seen([ClientEvent.Sync], () => {
      const state = client.getSyncState();
      if (state === SyncState.Error) throw client.getSyncStateData().error;
      return state === SyncState.Prepared || state === SyncState.Syncing;
    });
    await client.startClient({ initialSyncLimit: 100 });
    await prepared;
    return { rooms: client.getRooms().length };
  },

  async createRoom({ isPublic, alias, invite }) {
    const preset = isPublic ? Preset.PublicChat : Preset.PrivateChat;
    return client.createRoom({ preset, room_alias_name: alias, invite });
  },

  async joinRoom(room) {
    const { roomId } = await client.joinRoom(room);
    return { room_id: roomId };
  },

  async sendText(room, body) {
    return client.sendTextMessage(room, body);
  },

  async waitForText(room, sender, body) {
    const wanted = (event) =>
      event.getType() === "m.room.message" && event.getSender() === sender && event.getContent().body === body;
    return seen([RoomEvent.Timeline, ClientEvent.Room], () => {
      const event = client.getRoom(room)?.getLiveTimeline().getEvents().find(wanted);
      return event && { event_id: event.getId() };
    });
  },

  async waitForInvite(sender, room) {
    return seen([RoomMemberEvent.Membership, RoomEvent.MyMembership, ClientEvent.Room], () => {
      const me = client.getUserId();
      const found = client.getRooms().find((candidate) =>
        candidate.getMyMembership() === "invite" &&
        candidate.getMember(me)?.events.member?.getSender() === sender &&
        (!room || candidate.roomId === room));
      return found && { room_id: found.roomId };
    });
  },

  async upload(length) {
    const bytes = new Uint8Array(length);
    // No more than this is given at once.
    for (let start = 0; start < length; start += 65536) crypto.getRandomValues(bytes.subarray(start, start + 65536));
    const about = { type: "application/octet-stream", name: "random.bin" };
    const { content_uri: mxc } = await client.uploadContent(new Blob([bytes]), about);
    uploaded = { mxc, sha256: await sha256(bytes) };
    return this.download({});
  },

  async download(step) {
    const wanted = { ...uploaded, ...step };
    // The last argument asks for the address that needs the access token.
    const address = client.mxcUrlToHttp(wanted.mxc, undefined, undefined, undefined, false, true, true);
    const answer = await fetch(address, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
    if (!answer.ok) throw new Error(`HTTP status ${answer.status} for ${address}`);
    const bytes = await answer.arrayBuffer();
    const digest = await sha256(bytes);
    if (digest !== wanted.sha256) {
      throw new Error(`${wanted.mxc} has ${bytes.byteLength} bytes and is not what was uploaded`);
    }
    return { mxc: wanted.mxc, bytes: bytes.byteLength, sha256: digest };
  },

  async logout() {
    await client.logout(true);
    return {};
  },
};
