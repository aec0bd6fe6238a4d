/** What becomes of elements whose flash fails, and of registers that are sealed. */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CONTROL_RESET } from "../../host/transports/serial-frames.js";
import { MessageStream } from "../hardware/board.js";
import { selectCommand } from "../hardware/reference.js";
import { Difference, type Session } from "../hardware/session.js";
import { areaOf, keptBy, startProgram, stopProgram } from "./serial-board.js";

const SW_STOPPED = "6f00";
/** Which programming of registers fails: one early in the session. */
const PROGRAMMING = 3;
/** Which programmings of pages leave a byte as it was, with the driver saying that they are done. */
const STUCK = [4, 9, 20, 36];
/** Of registers: bytes in a row that are no accident. */
const PIECE_BYTES = 16;

function check(isRight: boolean, what: string): void {
  if (!isRight) throw new Difference(`elements: ${what}`);
}

/**
 * A module whose registers cannot be kept, once: the platform stops it in the midst of an import, it answers 6F00 until power comes
 * again, and the agent beside it goes on. The session is one of a module.
 */
export async function checkStopped(program: string, { seed, now_ms, steps }: Session, folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  const start = { folder, applets: ["money-module", "trusted-agent"], seed, now_ms };
  const child = await startProgram(program, start, ["--fail-at", String(PROGRAMMING)]);
  try {
    await stopsAndStarts(new MessageStream(child.stdout, child.stdin), steps);
    await stopProgram(child, "end");
  } finally {
    child.kill("SIGKILL");
  }
}

async function answersOf(
  program: string,
  session: Session,
  folder: string,
  more: readonly string[],
): Promise<string[]> {
  const { seed, now_ms, steps } = session;
  rmSync(folder, { recursive: true, force: true });
  const child = await startProgram(program, { folder, applets: ["money-module"], seed, now_ms }, more);
  const stream = new MessageStream(child.stdout, child.stdin);
  const answers: string[] = [];
  for (const step of steps) {
    if (step.kind === "apdu") answers.push(Buffer.from(await stream.exchange(step.apdu)).toString("hex"));
  }
  await stopProgram(child, "end");
  return answers;
}

/** Flash that has not taken what it says it took: the command that wanted it there is not answered as if it were. */
export async function checkStuck(program: string, session: Session, folder: string): Promise<void> {
  const good = await answersOf(program, session, folder, []);
  for (const number of STUCK) {
    const answers = await answersOf(program, session, folder, ["--stuck-at", String(number)]);
    const first = answers.findIndex((answer, i) => answer !== good[i]);
    const isRefused = first >= 0 && /^6[0-9a-f]{3}$/.test(answers[first] ?? "");
    check(isRefused, `programming ${number} was not done, and a module goes on as if it were`);
  }
}

async function stopsAndStarts(stream: MessageStream, steps: Session["steps"]): Promise<void> {
  const ask = async (apdu: Uint8Array) => Buffer.from(await stream.exchange(apdu)).toString("hex");
  let isStopped = false;
  for (const step of steps) {
    if (step.kind === "apdu") isStopped = (await ask(step.apdu)) === SW_STOPPED;
    if (isStopped) break;
  }
  check(isStopped, "a module goes on whose registers could not be kept");
  check((await ask(selectCommand("money-module"))) === SW_STOPPED, "a module that was stopped answers");
  check((await ask(selectCommand("trusted-agent"))) !== SW_STOPPED, "an agent stops with the module beside it");
  stream.send(Uint8Array.of(CONTROL_RESET));
  check((await ask(selectCommand("money-module"))) !== SW_STOPPED, "a module is not there again when power is");
}

/** Sealed registers: no piece of them is in the partition, and those of one element are not another's. A session has run in the folder. */
export async function checkSealed(program: string, session: Session, folder: string): Promise<void> {
  const { seed, now_ms, applets } = session;
  const [applet = "money-module"] = applets;
  const path = join(folder, "partition");
  const partition = readFileSync(path);
  const registers = Buffer.from(keptBy(folder, applet, true).registers);
  let pieces = 0;
  for (let at = 0; at + PIECE_BYTES <= registers.length; at += PIECE_BYTES) {
    const piece = registers.subarray(at, at + PIECE_BYTES);
    if (piece.every((byte) => byte === 0)) continue;
    pieces += 1;
    check(!partition.includes(piece), "a piece of the registers lies in the flash as it is");
  }
  check(pieces > 0, "registers without keys, of which nothing can be seen");
  const other = applet === "purse" ? "money-module" : "purse";
  partition.copy(partition, areaOf(other), areaOf(applet), areaOf(applet) + 2 * 4096);
  writeFileSync(path, partition);
  const child = await startProgram(program, { folder, applets: [other], seed, now_ms });
  const stream = new MessageStream(child.stdout, child.stdin);
  const answer = Buffer.from(await stream.exchange(selectCommand(other))).toString("hex");
  await stopProgram(child, "end");
  check(answer === SW_STOPPED, "an element starts with the registers of another");
}
