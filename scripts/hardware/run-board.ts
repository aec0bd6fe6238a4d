/**
 * Starts a board in QEMU with its serial line on a Unix socket, and prints its place when the chip is ready. Ctrl-C ends it; what it kept
 * is in the file, where the next start goes on.
 *
 *   npm run board -- cortex-m4 --store FILE [--applets NAME[,NAME]...] [--serial PATH] [--seed TEXT] [--clock FILE]
 *
 * Its random bytes are the host's; with `--seed` they come from a text, for tests, never for money. `--clock` names a file of eight
 * bytes, milliseconds with the lowest byte first.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { APPLETS } from "../firmware/applets.js";
import { FirmwareCompileError } from "../firmware/compile.js";
import type { AppletName } from "./applets.js";
import { passOn, type StoreContents, StoreError, settleContents, take, unlock } from "./board-store.js";
import { type BoardName, boardOf } from "./boards.js";
import { buildImage } from "./build.js";
import { EMULATIONS, type Emulation, qemuText } from "./emulation.js";
import { LibsodiumMissing } from "./libsodium.js";
import { ToolError } from "./run.js";

const OPTIONS = {
  store: { type: "string" },
  applets: { type: "string" },
  serial: { type: "string" },
  seed: { type: "string" },
  clock: { type: "string" },
} as const;
const USAGE =
  "npm run board -- BOARD --store FILE [--applets NAME[,NAME]...] [--serial PATH] [--seed TEXT] [--clock FILE]";
/** sockaddr_un has room for so many, and a zero. */
const SOCKET_PATH_BYTES_MAX = 107;
const READY = "ready\n";

/** What was asked for cannot be done; the message says what to ask for. */
class UsageError extends Error {}

interface Order {
  readonly board: BoardName;
  readonly emulation: Emulation;
  readonly store: string;
  readonly serial: string;
  readonly applets: readonly AppletName[] | undefined;
  readonly seed: string | undefined;
  readonly clock: string | undefined;
}

function isApplet(name: string): name is AppletName {
  return APPLETS.some((applet) => applet === name);
}

/** As whoever typed it meant it: npm and this script change folders. */
function typedPath(path: string): string {
  return resolve(process.env["INIT_CWD"] ?? process.cwd(), path);
}

function readOrder(): Order {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  const [board] = positionals as BoardName[];
  const emulation = board === undefined ? undefined : EMULATIONS[board];
  if (board === undefined || emulation === undefined || positionals.length !== 1) {
    throw new UsageError(`Which board? There are ${Object.keys(EMULATIONS).join(", ")}.\n${USAGE}`);
  }
  if (values.store === undefined || values.store === "") {
    throw new UsageError(`Where does it keep what outlives power? Name a file with --store.\n${USAGE}`);
  }
  const applets = values.applets?.split(",");
  if (applets !== undefined && !applets.every(isApplet)) {
    throw new UsageError(`Which applets? There are ${APPLETS.join(", ")}.`);
  }
  const store = typedPath(values.store);
  const serial = typedPath(values.serial ?? `${values.store}.serial`);
  // The chip reads a line in which blanks part its values.
  if (basename(store).includes(" "))
    throw new UsageError(`${basename(store)}: a store whose name has no blanks, please.`);
  if (Buffer.byteLength(serial) > SOCKET_PATH_BYTES_MAX) {
    throw new UsageError(`${serial} is too long for a socket. Name a shorter path with --serial.`);
  }
  const clock = values.clock === undefined ? undefined : typedPath(values.clock);
  return { board, emulation, store, serial, applets, seed: values.seed, clock };
}

function start(
  { emulation, store, serial, seed, clock }: Order,
  image: string,
  applets: readonly string[],
): ChildProcess {
  // From the store's folder: the chip has little room for a path.
  const machine = emulation.values({ image, store: basename(store), applets, seed, clock });
  const line = `socket,id=line,path=${qemuText(serial)},server=on,wait=off`;
  const values = [...machine, "-chardev", line, "-serial", "chardev:line"];
  return spawn(emulation.program, values, { cwd: dirname(store), stdio: ["ignore", "ignore", "pipe"] });
}

/** Until QEMU ends: true if somebody ended it, by a signal to this process. */
function served(order: Order, child: ChildProcess): Promise<boolean> {
  const { emulation, store, serial } = order;
  return new Promise((done, failed) => {
    let said = "";
    let isReady = false;
    let isEnding = false;
    const end = () => {
      isEnding = true;
      child.kill("SIGTERM");
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
    child.stderr?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
      if (isReady || !said.includes(READY)) return;
      isReady = true;
      console.log(`serial:${serial}`);
    });
    if (child.pid !== undefined) passOn(store, child.pid);
    child.once("error", (error) => {
      const isMissing = "code" in error && error.code === "ENOENT";
      const why = isMissing ? `is not installed (Debian: apt-get install ${emulation.debianPackage})` : error.message;
      failed(new ToolError(`${emulation.program}: ${why}.`));
    });
    child.once("exit", (status, signal) => {
      rmSync(serial, { force: true });
      if (isEnding) done(true);
      else
        failed(new ToolError(`QEMU ended by itself (${status ?? signal}).\n${said.replace(READY, "").trim()}`.trim()));
    });
  });
}

/** The image for what is in the store, or will be. */
async function build({
  board,
  store,
  applets: asked,
  seed,
}: Order): Promise<StoreContents & { readonly image: string }> {
  const usual = boardOf(board, {}).applets;
  const contents = settleContents(store, { board, applets: asked, usual, seeded: seed !== undefined });
  const { applets } = contents;
  const isUsual = applets.join() === usual.join();
  const { path: image } = await buildImage(process.cwd(), board, isUsual ? {} : { applets });
  return { ...contents, image };
}

async function main(): Promise<void> {
  const order = readOrder();
  if (!existsSync(dirname(order.store)))
    throw new UsageError(`There is no folder ${dirname(order.store)} for the store.`);
  // Building takes a while: another may be started meanwhile.
  take(order.store);
  try {
    const { image, applets } = await build(order);
    if (!existsSync(order.store)) order.emulation.makeStore?.(order.store);
    console.error(`${order.board} with ${applets.join(", ")}. Ctrl-C ends it.`);
    await served(order, start(order, image, applets));
  } finally {
    unlock(order.store);
  }
}

try {
  await main();
} catch (error) {
  const isMistake =
    error instanceof UsageError ||
    (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS"));
  const isExplained =
    error instanceof LibsodiumMissing ||
    error instanceof ToolError ||
    error instanceof StoreError ||
    error instanceof FirmwareCompileError;
  if (!isMistake && !isExplained) throw error;
  console.error((error as Error).message);
  process.exitCode = isMistake ? 2 : 1;
}
