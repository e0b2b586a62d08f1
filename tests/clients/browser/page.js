// A stand-in for Element Web: a page with matrix-js-sdk, the library that Element Web is built on.
//
// It discovers its homeserver as Element does, and provides functions for drive.mjs in `window.client`.
// All requests to the homeserver are cross-origin. The page must not contain any address, name or
// password, and must not work around what a browser refuses.

import {
  AutoDiscovery,
  ClientEvent,
  Preset,
  RoomEvent,
  RoomMemberEvent,
  SyncState,
  createClient,
} from "matrix-js-sdk";

/** Like Element, requests both files at once, without a cache, and prefers the host's own one. */
async function readConfig() {
  const files = [`config.${location.hostname}.json`, "config.json"];
  const request = (file) => fetch(`${file}?cachebuster=${Date.now()}`, { cache: "no-store" });
  const responses = await Promise.all(files.map(request));
  for (const [number, response] of responses.entries()) {
    if (response.ok) return { file: files[number], config: await response.json() };
  }
  throw new Error(`no configuration: ${responses.map(({ status, url }) => `${status} for ${url}`).join(", ")}`);
}

/** Loads what the page needs before a login. */
async function open() {
  const { file, config } = await readConfig();
  const discovered = await AutoDiscovery.fromDiscoveryConfig(config.default_server_config);
  const { state, error, base_url: baseUrl } = discovered["m.homeserver"];
  if (state !== AutoDiscovery.SUCCESS) throw new Error(`the homeserver of ${file} is refused: ${error}`);
  const { versions } = await createClient({ baseUrl }).getVersions();
  return { file, config, baseUrl, versions };
}

const opened = open();
// Whoever awaits `opened` gets the error; this only prevents an "unhandled rejection" before that.
opened.catch(() => {});

let client;
let uploaded;

/** Resolves with the result of `find`, which is called again at each of the client's `events`. */
function waitFor(events, find) {
  return new Promise((resolve, reject) => {
    const check = () => {
      try {
        const result = find();
        if (!result) return;
        for (const event of events) client.off(event, check);
        resolve(result);
      } catch (error) {
        reject(error);
      }
    };
    for (const event of events) client.on(event, check);
    check();
  });
}

/** The same digest that client.py prints. */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

window.client = {
  opened: () => opened,

  /** Like Element with a server name that a user types. */
  async discover(serverName) {
    const { state, error, base_url } = (await AutoDiscovery.findClientConfig(serverName))["m.homeserver"];
    if (state !== AutoDiscovery.SUCCESS) throw new Error(`${state}: ${error}`);
    return { base_url };
  },

  async login(user, password) {
    const { baseUrl } = await opened;
    const response = await createClient({ baseUrl }).loginRequest({
      type: "m.login.password",
      identifier: { type: "m.id.user", user },
      password,
      initial_device_display_name: "tests",
    });
    client = createClient({
      baseUrl,
      accessToken: response.access_token,
      userId: response.user_id,
      deviceId: response.device_id,
    });
    return { user_id: response.user_id, device_id: response.device_id };
  },

  async sync() {
    const prepared = waitFor([ClientEvent.Sync], () => {
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
    const expected = (event) =>
      event.getType() === "m.room.message" && event.getSender() === sender && event.getContent().body === body;
    return waitFor([RoomEvent.Timeline, ClientEvent.Room], () => {
      const event = client.getRoom(room)?.getLiveTimeline().getEvents().find(expected);
      return event && { event_id: event.getId() };
    });
  },

  async waitForInvite(sender, room) {
    return waitFor([RoomMemberEvent.Membership, RoomEvent.MyMembership, ClientEvent.Room], () => {
      const me = client.getUserId();
      const match = client.getRooms().find((candidate) =>
        candidate.getMyMembership() === "invite" &&
        candidate.getMember(me)?.events.member?.getSender() === sender &&
        (!room || candidate.roomId === room));
      return match && { room_id: match.roomId };
    });
  },

  async upload(length) {
    const bytes = new Uint8Array(length);
    // getRandomValues has this limit.
    for (let start = 0; start < length; start += 65536) crypto.getRandomValues(bytes.subarray(start, start + 65536));
    const options = { type: "application/octet-stream", name: "random.bin" };
    const { content_uri: mxc } = await client.uploadContent(new Blob([bytes]), options);
    uploaded = { mxc, sha256: await sha256(bytes) };
    return this.download({});
  },

  async download(step) {
    const expected = { ...uploaded, ...step };
    // The last argument selects the authenticated address.
    const address = client.mxcUrlToHttp(expected.mxc, undefined, undefined, undefined, false, true, true);
    const response = await fetch(address, { headers: { Authorization: `Bearer ${client.getAccessToken()}` } });
    if (!response.ok) throw new Error(`HTTP status ${response.status} for ${address}`);
    const bytes = await response.arrayBuffer();
    const digest = await sha256(bytes);
    if (digest !== expected.sha256) {
      throw new Error(`${expected.mxc} has ${bytes.byteLength} bytes and is not what was uploaded`);
    }
    return { mxc: expected.mxc, bytes: bytes.byteLength, sha256: digest };
  },

  async logout() {
    await client.logout(true);
    return {};
  },
};
