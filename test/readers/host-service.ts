/** The service for readers: it is killed and started again, readers come and go, others hold them, cards never answer. */

import { copyFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { AID_MONEY_MODULE } from "../../firmware/protocol/apdu.js";
import { aidOf } from "../../host/applets.js";
import { PcscPlaces } from "../../host/cards/pcsc-places.js";
import { ChipFactory } from "../../host/chips.js";
import { Element } from "../../host/element.js";
import { CardServiceMissingError } from "../../host/transports/card-errors.js";
import { answerToReset } from "../../simulator/card/atr.js";
import { childModule, tallyProcess } from "../support/processes.js";
import {
  configurationFolder,
  type Economy,
  endService,
  expectThat,
  FIRST_PORT,
  locatorOf,
  ReaderCard,
  receiving,
  serviceProcess,
  startService,
  Watched,
  withEconomy,
} from "./host-support.js";
import type { ReaderCheck } from "./lab.js";

/** The service is killed while a card works on a payment, and started again. */
async function killedInPayment(economy: Economy, signal: NodeJS.Signals): Promise<void> {
  const [card] = await economy.insert("alice", 0);
  expectThat(card !== undefined, "alice has a card");
  await economy.value("wallet", "buy", "alice", "USD 20.00", "--yes");
  const { child, address } = await receiving(economy, "bob");
  const pay = () => economy.run("wallet", "pay", "alice", address, "USD 1.00");
  await pay();
  const before = card.card.commands;
  await pay();
  const commands = card.card.commands - before;
  const { failures } = economy.watched;
  for (const part of [0.6, 0.8]) {
    const failuresBefore = failures.length;
    card.card.onMoment = () => process.kill(serviceProcess(), signal);
    card.card.moment = { command: card.card.commands + Math.ceil(commands * part), isDone: true };
    const { code, err } = await pay();
    expectThat(code === 1 || code === 4, `the command ends as it should: ${code}`);
    expectThat(/money/i.test(err), `it says what it means for the money: ${err}`);
    card.card.moment = undefined;
    await economy.watched.until(() => failures.length > failuresBefore);
    startService();
    await economy.watched.has(card.locator, "card");
    const { open } = await economy.value<{ open: unknown[] }>("wallet", "resume", "alice", address);
    expectThat(open.length === 0, "nothing is open any more");
  }
  child.kill("SIGINT");
  await child.ended;
  await economy.audit();
}

const killed = (["SIGKILL", "SIGTERM"] as const).map((signal) =>
  withEconomy(`the service ends by ${signal} in the middle of a payment, and begins again`, (economy) =>
    killedInPayment(economy, signal),
  ),
);

const noService: ReaderCheck = {
  name: "without the service everything says so, and nothing waits",
  run: async () => {
    const watched = new Watched();
    await watched.has(locatorOf(0), "empty");
    await endService("SIGTERM", watched);
    const places = new PcscPlaces();
    const refused = await places.list().catch((error: unknown) => error);
    expectThat(refused instanceof CardServiceMissingError, `the library says so: ${String(refused)}`);
    await places.close();
    const listed = await tallyProcess(["device", "list"], { HOME: "/nowhere" }).ended;
    expectThat(listed.code === 0, `the list is no error: ${listed.err}`);
    expectThat(
      listed.out.split("\n").filter((line) => /pcscd/.test(line)).length === 1,
      `one line says so: ${listed.out}`,
    );
    const info = await tallyProcess(["device", "info", locatorOf(0)]).ended;
    expectThat(info.code === 1 && /pcscd/.test(info.err), `a place is not found, and why: ${info.err}`);
    startService();
    await watched.has(locatorOf(0), "empty");
    await watched.close();
  },
};

/** Hides the library of this computer from a process. */
const WITHOUT_LIBRARY = `data:text/javascript,${encodeURIComponent(`
import { Module } from "node:module";
const resolve = Module._resolveFilename;
Module._resolveFilename = (name, ...rest) => {
  if (name !== "pcsclite") return resolve(name, ...rest);
  throw Object.assign(new Error("Cannot find module"), { code: "MODULE_NOT_FOUND" });
};`)}`;

const noLibrary: ReaderCheck = {
  name: "without the library everything says so",
  run: async () => {
    const environment = { NODE_OPTIONS: `--import ${WITHOUT_LIBRARY}`, HOME: "/nowhere" };
    const listed = await tallyProcess(["device", "list"], environment).ended;
    expectThat(listed.code === 0 && /libpcsclite-dev/.test(listed.out), `the list says so: ${listed.out}${listed.err}`);
    const info = await tallyProcess(["device", "info", locatorOf(0)], environment).ended;
    expectThat(info.code === 1 && /npm ci/.test(info.err), `a place is not found, and why: ${info.err}`);
  },
};

/** vpcd's readers come and go with the service alone: it looks at its configuration when it begins. */
const otherReaders: ReaderCheck = {
  name: "readers that come and go with the service are told to whoever watches",
  run: async () => {
    const folder = configurationFolder();
    const [name = ""] = readdirSync(folder);
    const file = join(folder, name);
    const before = readFileSync(file, "utf8");
    const library = /LIBPATH\s+(\S+)/.exec(before)?.[1];
    expectThat(library !== undefined, "the lab has a driver");
    const driver = `${library}.extra.so`;
    copyFileSync(library, driver);
    const channel = `0x${(FIRST_PORT + 200).toString(16).toUpperCase()}`;
    const extra = `\nFRIENDLYNAME "Extra"\nDEVICENAME /dev/null:${channel}\nLIBPATH ${driver}\nCHANNELID ${channel}\n`;
    const watched = new Watched();
    const command = tallyProcess(["--json", "device", "list", "--watch"], { HOME: "/nowhere" });
    const restartWith = async (text: string) => {
      writeFileSync(file, text);
      await endService("SIGTERM", watched);
      startService();
      await watched.has(locatorOf(0), "empty");
    };
    try {
      await watched.has(locatorOf(0), "empty");
      await command.line(new RegExp(`"added","place":"${locatorOf(0)}"`));
      await restartWith(`${before}${extra}`);
      await watched.has("pcsc:Extra 00 00", "empty");
      await command.line(/"event":"failed".*pcscd/);
      await command.line(/"added","place":"pcsc:Extra 00 00"/);
      await restartWith(before);
      await watched.has("pcsc:Extra 00 00", undefined);
      await command.line(/"removed","place":"pcsc:Extra 00 00"/);
      const kinds = watched.events.filter(({ place }) => place.title.startsWith("Extra")).map(({ kind }) => kind);
      expectThat(kinds.join() === "added,added,removed,removed", `each is told once: ${kinds.join()}`);
      expectThat(watched.failures.length === 2, "the end of the service is told once each time");
      command.kill("SIGINT");
      expectThat((await command.ended).code === 0, "the command ends in good order");
    } finally {
      command.kill("SIGKILL");
      writeFileSync(file, before);
      await watched.close();
      rmSync(driver);
    }
  },
};

/** A process that keeps a card to itself. */
const HOLDER = `
const { PcscPlaces } = await import(file("cards/pcsc-places.js"));
const places = new PcscPlaces();
const place = (await places.list()).find(({ state }) => state === "card");
await place.connect();
console.log("held");
setInterval(() => undefined, 1e6);
`;

const held = withEconomy(
  "a card that another program uses is refused, and free when that has ended",
  async (economy) => {
    await economy.insert("alice", 0);
    const holder = childModule(HOLDER);
    try {
      await holder.line(/held/);
      const { code, err } = await economy.run("wallet", "balance", "alice", "--device", locatorOf(0));
      expectThat(code === 1 && /Another program is using/.test(err), `it is refused: ${err}`);
      const anywhere = await economy.run("wallet", "balance", "alice");
      expectThat(/another program is using its card/.test(anywhere.err), `so it is without --device: ${anywhere.err}`);
      const { connected } = await economy.value<{ connected: { place: string; state: string }[] }>("device", "list");
      expectThat(connected.find(({ place }) => place === locatorOf(0))?.state === "busy", "the list says so");
    } finally {
      holder.kill("SIGKILL");
      await holder.ended;
    }
    expectThat((await economy.dollars("alice", "--device", locatorOf(0))) === "0.00", "it is free again");
    await economy.audit();
  },
);

/** A card that is there, and answers nothing but that; `asked`: a command has come to it. */
function muteCard(index: number, asked: () => void = () => undefined): () => void {
  const socket = connect({ host: "127.0.0.1", port: FIRST_PORT + index });
  const atr = answerToReset("T=1");
  let received = Buffer.alloc(0);
  socket.on("data", (bytes) => {
    received = Buffer.concat([received, bytes]);
    // Two bytes of length, and as many; one byte of 4 asks for the answer to reset.
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      received = received.subarray(2 + message.length);
      if (message.length === 1 && message[0] === 4) socket.write(Uint8Array.of(0, atr.length, ...atr));
      if (message.length > 1) asked();
    }
  });
  socket.on("error", () => undefined);
  return () => socket.destroy();
}

/** Waits half a second for an answer; what it says is what it is told. */
const IMPATIENT = `
const { PcscPlaces } = await import(file("cards/pcsc-places.js"));
const { isReaderStuck } = await import(file("transports/pcsc.js"));
const places = new PcscPlaces({ limits: { answer_ms: 500, inUse_ms: 0, pause_ms: 1 } });
const place = (await places.list()).find(({ state }) => state === "card");
const card = await place.connect();
const started = Date.now();
const error = await card.transmit(Uint8Array.of(0, 0xa4, 4, 0)).catch((error) => error);
console.log(error.name, Date.now() - started < 5000, isReaderStuck(), error.message);
await card.close();
await places.close();
process.kill(process.pid, "SIGKILL");
`;

const mute: ReaderCheck = {
  name: "a card that never answers is waited for no longer than it may take",
  run: async () => {
    const watched = new Watched();
    const remove = muteCard(1);
    try {
      await watched.has(locatorOf(1), "card");
      const child = childModule(IMPATIENT);
      const line = await child.line(/Error/);
      expectThat(/^CardTimeoutError true true .*money/.test(line), `it is told: ${line}`);
      await child.ended;
    } finally {
      remove();
      await watched.has(locatorOf(1), "empty");
      await watched.close();
    }
  },
};

const ENDED_MS_MAX = 5_000;

const interrupted: ReaderCheck = {
  name: "Ctrl-C ends a command whose card does not answer",
  run: async () => {
    const watched = new Watched();
    let wasAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      wasAsked = resolve;
    });
    const remove = muteCard(1, () => wasAsked());
    await watched.has(locatorOf(1), "card");
    const command = tallyProcess(["apdu", "send", "--device", locatorOf(1), "00A40400"]);
    try {
      await asked;
      command.kill("SIGINT");
      let isLate = false;
      const patience = setTimeout(() => {
        isLate = true;
        command.kill("SIGKILL");
      }, ENDED_MS_MAX);
      const { err } = await command.ended;
      clearTimeout(patience);
      expectThat(!isLate && /Interrupted/.test(err), `it ends, and says so: ${err}`);
    } finally {
      command.kill("SIGKILL");
      remove();
      await watched.has(locatorOf(1), "empty");
      await watched.close();
    }
  },
};

const COMMANDS_A_SECOND_MIN = 1_000;
const MEDIAN_MS_MAX = 1;
const MEASURED_MS = 2_000;

const speed: ReaderCheck = {
  name: "the way to the card is quick",
  run: async () => {
    const watched = new Watched();
    const chips = new ChipFactory();
    const { simulated } = await chips.chip("quick", "module");
    const card = new ReaderCard([{ aid: aidOf(AID_MONEY_MODULE), element: simulated }], 0);
    card.insert();
    await watched.has(card.locator, "card");
    const place = (await watched.list()).find(({ locator }) => locator === card.locator);
    const transport = await place?.connect();
    expectThat(transport !== undefined, "the card is there");
    const element = await Element.select(transport, AID_MONEY_MODULE);
    const times: number[] = [];
    for (const start = performance.now(); performance.now() - start < MEASURED_MS; ) {
      const before = performance.now();
      await element.information();
      times.push(performance.now() - before);
    }
    await transport.close();
    card.remove();
    await watched.has(card.locator, "empty");
    await watched.close();
    chips.close();
    times.sort((one, other) => one - other);
    const at = (part: number) => times[Math.floor(times.length * part)] ?? 0;
    const rate = (times.length * 1000) / MEASURED_MS;
    const figures = `${Math.round(rate)} commands a second, p50 ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`;
    process.stdout.write(`  ${figures}\n`);
    expectThat(rate >= COMMANDS_A_SECOND_MIN && at(0.5) < MEDIAN_MS_MAX, `it is quick enough: ${figures}`);
  },
};

export const SERVICE_CHECKS: readonly ReaderCheck[] = [
  ...killed,
  noService,
  noLibrary,
  otherReaders,
  held,
  mute,
  interrupted,
  speed,
];
