// Drives a real, headless browser with the tests' page (page.js), as a user of Element Web would.
//
// It reads one JSON object from standard input: `page` (its address), `ca` (a file of certificate
// authorities), `user`, `password`, and `steps`, a list of objects whose key `step` names the action, as in
// client.py. Each step prints its result as one line of JSON. The first step that fails ends the program,
// with one line on standard error and exit code 1. The browser trusts `ca` and has a temporary home
// directory, which is removed at the end. The step `hosts` closes the browser and prints every host that its
// pages asked, or had it look up, from its start to its end.
//
// It must not disable what the tests check: certificates, cross-origin rules, policies.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { constants, tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BROWSER = "/usr/bin/chromium";
const FLAGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];
/** The default timeout of a step. */
const SECONDS = 60;

// dev/install-page installs the packages outside of the checkout, where Node would not look for them.
const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../../target", import.meta.url));
const installed = createRequire(path.resolve(target, "tools/browser/package.json"));

const home = mkdtempSync(path.join(tmpdir(), "dokku-matrix-browser-"));
/** The log of the browser's network stack, which every request passes: of pages, of workers, and its own. */
const netLog = path.join(home, "net-log.json");
let launched;
let ending;

function end(code, why) {
  if (!ending && why) console.error(`drive.mjs: ${why.split("\n")[0]}`);
  ending ??= (async () => {
    // A browser that does not close is killed by Playwright when this process exits.
    const closed = launched?.then((context) => context.close());
    await Promise.race([closed?.catch(() => {}), sleep(10_000)]);
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    process.exit(code);
  })();
  return ending;
}
for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"]) {
  process.on(signal, () => end(128 + constants.signals[signal], `ended by ${signal}`));
}

/** Reads standard input. Errors never show its content, because it contains a password. */
function readJob() {
  let job;
  try {
    job = JSON.parse(readFileSync(0, "utf8"));
  } catch {
    throw new Error("standard input is not JSON");
  }
  for (const key of ["page", "ca", "user", "password", "steps"]) {
    if (!job[key]) throw new Error(`standard input lacks ${key}`);
  }
  return job;
}

function certutil(...args) {
  const { error, status, stderr } = spawnSync("certutil", args, { encoding: "utf8" });
  if (error || status) throw new Error(error?.message ?? stderr);
}

function launch(ca) {
  // The browser reads additional certificate authorities from here.
  const database = path.join(home, ".pki/nssdb");
  mkdirSync(database, { recursive: true });
  certutil("-d", `sql:${database}`, "-N", "--empty-password");
  // certutil reads only the first certificate of a file.
  const authorities = readFileSync(ca, "utf8").match(/-+BEGIN CERT[^]+?END CERTIFICATE-+/g) ?? [];
  for (const [number, authority] of authorities.entries()) {
    const file = path.join(home, `authority${number}`);
    writeFileSync(file, authority);
    certutil("-d", `sql:${database}`, "-A", "-n", file, "-t", "C,,", "-a", "-i", file);
  }
  return installed("playwright-core").chromium.launchPersistentContext(path.join(home, "profile"), {
    executablePath: BROWSER,
    args: [...FLAGS, `--log-net-log=${netLog}`],
    chromiumSandbox: process.getuid() !== 0,
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: home },
    handleSIGHUP: false,
    handleSIGINT: false,
    handleSIGTERM: false,
  });
}

/**
 * The hosts in the log of a browser that has ended, without those that it asks for itself, for updates for
 * example: such a request has no page that initiated it.
 */
function loggedHosts() {
  const { constants, events } = JSON.parse(readFileSync(netLog, "utf8"));
  const number = constants.logEventTypes;
  const types = ["URL_REQUEST_START_JOB", "HOST_RESOLVER_MANAGER_REQUEST"];
  for (const type of types) if (number[type] === undefined) throw new Error(`the browser logs no ${type}`);
  const hosts = new Set();
  for (const { type, params } of events) {
    if (type === number.URL_REQUEST_START_JOB && params?.url) {
      const { url, initiator, request_type: kind } = params;
      if (initiator !== "not an origin" || kind !== "other") hosts.add(new URL(url).hostname);
    } else if (type === number.HOST_RESOLVER_MANAGER_REQUEST && params?.host) {
      // `https://host` or `host:port`, and `<site of the page> same_site`, or `null`.
      const { hostname } = new URL(params.host.includes("://") ? params.host : `tcp://${params.host}`);
      const [site] = params.network_anonymization_key.split(" ");
      if (site.includes("://") && !`.${hostname}`.endsWith(`.${new URL(site).hostname}`)) hosts.add(hostname);
    }
  }
  hosts.delete(""); // data: and blob:
  return [...hosts].sort();
}

/** Collects a page's errors, as its console shows them. */
function errorsOf(page) {
  const errors = [];
  page.on("pageerror", (error) => errors.push({ text: error.message, url: page.url() }));
  page.on("console", (message) => {
    const { url } = message.location();
    if (message.type() === "error") errors.push({ text: message.text().trim(), url });
  });
  return errors;
}

/** Tries to show the page at `address` in a frame of the page at `outer`. */
async function framedBy(context, outer, address) {
  const page = await context.newPage();
  const errors = errorsOf(page);
  await page.goto(outer);
  await page.evaluate((src) => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.addEventListener("load", resolve);
    frame.src = src;
    document.body.append(frame);
  }), address);
  const shown = page.frames()[1].url();
  await page.close();
  return { shown: shown === address, errors: errors.map((error) => error.text) };
}

/**
 * Calls `work` with the address of an empty page of another origin, which is served on this machine: without
 * an address, the browser would refuse requests to local pages before it checks any policy.
 */
async function withOtherOrigin(work) {
  const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<body></body>"));
  await new Promise((resolve, reject) => server.on("error", reject).listen(0, "127.0.0.1", resolve));
  try {
    return await work(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.close();
  }
}

class Session {
  constructor(job, context, page) {
    this.job = job;
    this.context = context;
    this.page = page;
    this.errors = errorsOf(page);
  }

  async open() {
    this.response = await this.page.goto(this.job.page);
    if (this.response.status() !== 200) throw new Error(`HTTP status ${this.response.status()}`);
  }

  /** Calls a function of the page. */
  call(name, ...args) {
    return this.page.evaluate(([name, args]) => window.client[name](...args), [name, args]);
  }

  roomOf(step) {
    const room = step.room ?? this.room;
    if (!room) throw new Error("the step names no room, and none was created or joined");
    return room;
  }

  /** The page's errors except those that Element has as well: optional requests with status 404. */
  unexpected() {
    // A configuration for this host only, and support for calls in the homeserver.
    const optional = [
      `/config.${new URL(this.job.page).hostname}.json`,
      "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports",
    ];
    return this.errors.filter(({ text, url }) =>
      !(text.includes("status of 404") && optional.includes(new URL(url).pathname)));
  }

  async inRoom(result) {
    this.room = (await result).room_id;
    return result;
  }

  steps = {
    config: async () => {
      const { file, config, versions } = await this.call("opened");
      return { file, config, versions };
    },
    headers: async () => ({ status: this.response.status(), headers: await this.response.allHeaders() }),
    framed: async () => {
      // If its own origin could not frame it either, a refusal would not be due to the policy.
      const own = await framedBy(this.context, this.job.page, this.job.page);
      if (!own.shown) throw new Error(`its own origin cannot frame it: ${own.errors.join("; ")}`);
      const other = await withOtherOrigin((outer) => framedBy(this.context, outer, this.job.page));
      if (other.shown) throw new Error("another origin can frame it");
      const why = other.errors.filter((text) => /frame-ancestors|X-Frame-Options/.test(text));
      if (!why.length) throw new Error(`it is not framed, but not by policy: ${other.errors.join("; ")}`);
      return { refused: true, why };
    },
    console: async () => {
      await this.call("opened").catch(() => {});
      return { errors: this.unexpected() };
    },
    hosts: async () => {
      await this.context.close();
      return { hosts: loggedHosts() };
    },
    /** The page connects to one host, and asks another, and does not care for the answer. */
    request: async ({ connect, url }) => {
      await this.page.evaluate(({ connect, url }) => {
        document.head.append(Object.assign(document.createElement("link"), { rel: "preconnect", href: connect }));
        return fetch(url, { mode: "no-cors" }).catch(() => {});
      }, { connect, url });
      return {};
    },
    discover: (step) => this.call("discover", step.server_name),
    login: async () => {
      const login = await this.call("login", this.job.user, this.job.password);
      return { ...login, ...await this.call("sync") };
    },
    create_room: ({ public: isPublic, alias, invite }) =>
      this.inRoom(this.call("createRoom", { isPublic, alias, invite })),
    join: (step) => this.inRoom(this.call("joinRoom", this.roomOf(step))),
    send: (step) => this.call("sendText", this.roomOf(step), step.body),
    wait_for: (step) => this.call("waitForText", this.roomOf(step), step.sender, step.body),
    wait_invite: (step) => this.inRoom(this.call("waitForInvite", step.sender, step.room)),
    upload: (step) => this.call("upload", step.bytes),
    download: (step) => this.call("download", { ...step.mxc && { mxc: step.mxc, sha256: step.sha256 } }),
    logout: () => this.call("logout"),
  };
}

/** Returns the result of `work`. If it fails or takes longer than `seconds`, the error contains `where`. */
async function within(seconds, where, work) {
  const late = sleep(seconds * 1000, undefined, { ref: false }).then(() => {
    throw new Error(`not done after ${seconds} s`);
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    throw new Error(`${where}: ${error.message.replace(/^page\.evaluate: /, "")}`);
  }
}

async function run() {
  const job = readJob();
  launched = launch(job.ca);
  const context = await launched;
  const session = new Session(job, context, context.pages()[0]);
  await within(SECONDS, `opening ${job.page}`, () => session.open());
  for (const [number, step] of job.steps.entries()) {
    const result = await within(step.seconds ?? SECONDS, `step ${number + 1}, ${step.step}`, async () => {
      if (!Object.hasOwn(session.steps, step.step)) throw new Error("unknown step");
      return session.steps[step.step](step);
    }).catch((error) => {
      // The browser reports what it refuses only on its console.
      const errors = session.unexpected().map(({ text }) => text);
      throw errors.length ? new Error(`${error.message.split("\n")[0]} [${errors.join(" | ")}]`) : error;
    });
    console.log(JSON.stringify({ step: step.step, ...result }));
  }
}

run().then(() => end(0), (error) => end(1, error.message));
