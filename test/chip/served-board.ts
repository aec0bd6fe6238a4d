/**
 * A board that `npm run board` serves, as people have it: personalised and used by the host at its place, with hosts that are killed in
 * the middle of a frame, an emulator that is killed, a second program that wants it, and the same chip on a pseudo-terminal, which
 * the library for serial ports opens.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import { ROLE_CUSTOMER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { Agency, newAgencies } from "../../host/agencies.js";
import { AllPlaces } from "../../host/cards/all-places.js";
import { type OpenCard, openCard } from "../../host/cards/card-elements.js";
import { findPlace } from "../../host/cards/find.js";
import { SerialPlaces } from "../../host/cards/serial-places.js";
import { Device } from "../../host/device.js";
import type { Element } from "../../host/element.js";
import { finishPersonalisation, pair, personalise } from "../../host/provision.js";
import { systemRandom } from "../../host/randomness.js";
import { systemClock, systemTimers } from "../../host/services/clock.js";
import { StatusWordError } from "../../host/status-words.js";
import { TransportError } from "../../host/transport.js";
import { CardInUseError } from "../../host/transports/card-errors.js";
import { SERIAL_LIMITS } from "../../host/transports/serial.js";
import { encodeFrame } from "../../host/transports/serial-frames.js";
import { buildImage } from "../../scripts/hardware/build.js";
import { EMULATIONS } from "../../scripts/hardware/emulation.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { Difference } from "../hardware/session.js";
import { type Runner, runner, startRunner } from "./board-runner.js";

const BOARD = "cortex-m4";
const PIN = "4711";
const PUK = "12345678";
/** Where frames of VERIFY are cut off: in its beginning, and where the applet already gets it. */
const CUTS = [1, 2, 6, 11, 17, 40];

function demand(isSo: boolean, what: string): void {
  if (!isSo) throw new Difference(`a served board: ${what}`);
}

/** The error of the work, which must be one of this class. */
async function refused(work: () => Promise<unknown>, kind: abstract new (...values: never[]) => Error, what: string) {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  demand(error instanceof kind, `${what}: ${String(error)}`);
}

function places(begin_ms = SERIAL_LIMITS.begin_ms): AllPlaces {
  return new AllPlaces([new SerialPlaces({ paths: [], limits: { ...SERIAL_LIMITS, begin_ms } })]);
}

async function opened(locator: string): Promise<OpenCard & { readonly agent: Element; readonly module: Element }> {
  const card = await openCard(await findPlace(places(), locator));
  const { agent, module } = card;
  if (agent !== undefined && module !== undefined) return { ...card, agent, module };
  await card.close();
  throw new Difference("a served board: agent or module is missing");
}

/** Blank chips become a device; gives the module's id. */
async function makeDevice(locator: string): Promise<string> {
  const secrets = newAgencies(systemRandom, Number(systemClock.now_seconds()));
  const agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
  const card = await opened(locator);
  const { agent, module } = card;
  try {
    for (const [element, role] of [[agent, ROLE_CUSTOMER] as const, [module, ROLE_TRANSACTION] as const]) {
      await personalise(element, agencies, { role, pin: PIN, puk: PUK }, systemRandom, systemClock.now_seconds());
    }
    await pair(new Device({ name: "served", agent, module, clock: systemClock, timers: systemTimers }));
    for (const element of [agent, module]) await finishPersonalisation(element);
    await module.verifyPin(PIN);
    demand((await module.balances()).length === 0, "a new module has money");
    return module.idHex;
  } finally {
    await card.close();
  }
}

/** The device is whole, and nobody's PIN is left in it. */
async function checkDevice(locator: string, id: string, when: string): Promise<void> {
  const card = await opened(locator);
  try {
    demand(card.module.idHex === id, `${when} the module is another one`);
    await refused(() => card.module.balances(), StatusWordError, `${when} a PIN is still verified`);
    await card.module.verifyPin(PIN);
    await card.module.balances();
  } finally {
    await card.close();
  }
}

/** A host process that is killed when it has written a part of a frame. */
function dieInMidFrame(locator: string, cut: number): void {
  const frame = encodeFrame(77, Uint8Array.of(0, 0x20, 0, 0, 40, ...new Uint8Array(40).fill(0x31)));
  const path = locator.replace(/^serial:/, "");
  const bytes = JSON.stringify([...frame.subarray(0, cut)]);
  const script = `const line = require("node:net").createConnection(${JSON.stringify(path)}, () =>
    line.write(Buffer.from(${bytes}), () => process.kill(process.pid, "SIGKILL")));`;
  const { signal } = spawnSync(process.execPath, ["-e", script]);
  demand(signal === "SIGKILL", "the host was not killed");
}

/** One that dies with a verified PIN, in the middle of its next command: what it was told is not for who comes next. */
async function dieWithPin(locator: string): Promise<void> {
  const socket = createConnection(locator.replace(/^serial:/, ""));
  await new Promise<void>((done) => socket.once("connect", done));
  const aid = [0xf0, 0x54, 0x41, 0x4c, 0x4c, 0x59, 1];
  const commands = [
    [0, 0xa4, 4, 0, 7, ...aid],
    [0, 0x20, 0, 0, PIN.length, ...Buffer.from(PIN)],
  ];
  for (const [tag, command] of commands.entries()) {
    const answer = new Promise((done) => socket.once("data", done));
    socket.write(encodeFrame(tag, Uint8Array.from(command)));
    await answer;
  }
  socket.write(encodeFrame(9, Uint8Array.of(0x80, 0xc2, 0, 0, 200, ...new Uint8Array(200))).subarray(0, 100));
  socket.destroy();
}

/** The emulator is killed in a session of the host. */
async function kill({ ended, killEmulator }: Runner, module: Element): Promise<void> {
  killEmulator();
  demand((await ended) === 1, "it does not say that its emulator is gone");
  await refused(() => module.balances(), TransportError, "a killed board answers");
}

/** The session goes on, with what the chip kept, when the board was started again. */
async function goOn(module: Element, id: string): Promise<void> {
  await module.restart();
  demand(module.idHex === id, "after a kill the module is another one");
  await module.verifyPin(PIN);
  await module.balances();
}

/** The same chip on a pseudo-terminal: to the library for serial ports it is one. */
async function checkTerminal(folder: string, id: string): Promise<void> {
  const emulation = EMULATIONS[BOARD];
  if (emulation === undefined) throw new Difference(`there is no emulation of ${BOARD}`);
  const { path: image } = await buildImage(packageRoot(), BOARD, {});
  const values = emulation.values({ image, store: "chips", applets: ["money-module", "trusted-agent"] });
  const child = spawn(emulation.program, [...values, "-serial", "pty"], { cwd: folder });
  const gone = new Promise((done) => child.once("exit", done));
  try {
    const path = await new Promise<string>((resolve, reject) => {
      let said = "";
      const read = (bytes: Buffer) => {
        said += bytes.toString();
        const found = /redirected to (\/dev\/\S+)/.exec(said)?.[1];
        if (found !== undefined && said.includes("ready\n")) resolve(found);
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", () => reject(new Difference(`QEMU ended: ${said}`)));
    });
    await checkDevice(`serial:${path}`, id, "on a terminal");
    const card = await opened(`serial:${path}`);
    const other = await findPlace(places(), `serial:${path}`);
    await refused(() => other.connect(), CardInUseError, "a serial port is opened twice");
    child.kill("SIGKILL");
    await gone;
    await refused(() => card.module.balances(), TransportError, "a terminal that is gone answers");
    await card.close();
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

async function originOf(locator: string): Promise<string | undefined> {
  const transport = await (await findPlace(places(), locator)).connect();
  try {
    return await transport.randomOrigin?.();
  } finally {
    await transport.close();
  }
}

/** Two are started at the same time: one has the store. */
async function startTwo(store: string): Promise<void> {
  const both = [startRunner(BOARD, store), startRunner(BOARD, store)];
  const started = (await Promise.allSettled(both)).flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  for (const { child } of started) child.kill("SIGTERM");
  for (const { ended } of started) await ended;
  demand(started.length === 1, `${started.length} of two that were started at the same time have the store`);
}

/** A sentence about what was seen. */
export async function checkServedBoard(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  await startTwo(join(folder, "two"));
  const store = join(folder, "chips");
  let served = await startRunner(BOARD, store);
  try {
    const { place } = served;
    const id = await makeDevice(place);
    for (const cut of CUTS) {
      dieInMidFrame(place, cut);
      await checkDevice(place, id, "after a host was killed in mid-frame");
    }
    await dieWithPin(place);
    await checkDevice(place, id, "after a host was killed with a verified PIN");
    const card = await opened(place);
    const other = await findPlace(places(1_000), place);
    await refused(() => other.connect(), CardInUseError, "a board that is in use is given away");
    await card.close();
    const second = runner(BOARD, store);
    demand((await new Promise((done) => second.once("exit", done))) === 1, "two boards have one store");
    const intruder = runner(BOARD, `${store}-2`, "--serial", `${store}.serial`);
    demand((await new Promise((done) => intruder.once("exit", done))) === 2, "two boards have one line");
    demand(existsSync(`${store}.serial`), "a board that was not started took another's line with it");
    demand((await originOf(place)) === "fit", "its random bytes are not the host's");
    const session = await opened(place);
    await kill(served, session.module);
    served = await startRunner(BOARD, store);
    await goOn(session.module, id);
    await session.close();
    served.child.kill("SIGTERM");
    demand((await served.ended) === 0, "it does not end when it is told to");
    demand(!existsSync(`${store}.lock`) && !existsSync(`${store}.serial`), "it leaves something behind");
    await checkTerminal(folder, id);
    served = await startRunner(BOARD, store, "--seed", "test", "--serial", join(folder, "other, line"));
    demand((await originOf(served.place)) === "seeded", "its random bytes are not those of a seed");
    await checkDevice(served.place, id, "at another place");
  } finally {
    served.child.kill("SIGTERM");
    await served.ended;
  }
  return `served at a place: a device was made, and is whole after ${CUTS.length + 1} hosts and an emulator were killed`;
}
