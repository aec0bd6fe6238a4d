/** Everything by which a board is compared with the simulator, in the order of what it is built of. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AppletName } from "../../simulator/applet-files.js";
import { record } from "../fuzz/recordings.js";
import type { BoardUnderTest } from "./board.js";
import { conformanceSessions } from "./conformance.js";
import { corpusSessions } from "./corpus-sessions.js";
import { noisySession } from "./noise-sessions.js";
import { checkCalls } from "./platform-calls.js";
import { checkVectors } from "./platform-vectors.js";
import { compareSession, Difference, type Moments } from "./session.js";
import { channelSession, killedSession, recordedSession, spoiltSession } from "./sessions.js";

const CHANNEL_STEPS = 600;

export interface Boards {
  readonly name: string;
  /** With the firmware, these applets in it. */
  readonly firmware: (applets: readonly AppletName[]) => BoardUnderTest;
  /** With test/hardware/calls-stream.c in its place. */
  readonly platform: BoardUnderTest;
  readonly own: OwnCheck;
}

/** What only one board has to keep: a sentence about it when it does. */
export type OwnCheck = (folder: string) => Promise<string>;

export interface Amounts {
  readonly seed: string;
  /** Calls of the platform. */
  readonly calls: number;
  /** Sessions of each recording in which the board is killed. */
  readonly kills: number;
  /** There is garbage on the line before one of so many commands. */
  readonly noiseEvery: number;
  /** One of so many inputs of the fuzzer's corpus. */
  readonly corpusEvery: number;
}

/** The platform alone: vectors, and calls with any numbers. */
async function comparePlatform(board: BoardUnderTest, folder: string, { seed, calls }: Amounts): Promise<void> {
  const vectors = await checkVectors(board, join(folder, "vectors"));
  console.log(`vectors of the standards: ${vectors} calls`);
  const outcome = await checkCalls(board, join(folder, "calls"), seed, calls);
  const { good, accepted } = outcome;
  console.log(
    `calls of the platform: ${outcome.calls}, ${good} of any kind carried out, ${accepted} edge signatures accepted`,
  );
}

/** The applets behind their card. */
async function compareSessions(
  firmware: Boards["firmware"],
  folder: string,
  { seed, kills, noiseEvery, corpusEvery }: Amounts,
): Promise<void> {
  const recordings = await record();
  const corpus = await corpusSessions(recordings, corpusEvery);
  const conformance = conformanceSessions(join(folder, "conformance"));
  console.log(`inputs of the fuzzer's corpus: ${corpus.length}`);
  const sessions = [
    ...recordings.map(recordedSession),
    ...recordings.map((each) => spoiltSession(each, seed)),
    ...recordings.map((each) => noisySession(each, seed, noiseEvery)),
    ...Array.from({ length: kills }, (_, i) => recordings.map((each) => killedSession(each, `${seed}.${i}`))).flat(),
    ...conformance,
    ...corpus,
    channelSession(seed, CHANNEL_STEPS),
  ];
  const noise = sessions.flatMap(({ steps }) => steps.filter(({ kind }) => kind === "noise"));
  console.log(`garbage on the line: ${noise.length} times`);
  let [apdus, good] = [0, 0];
  const killed: Moments = { before: 0, within: 0, after: 0 };
  const begun_ms = performance.now();
  for (const session of sessions) {
    const outcome = await compareSession(firmware(session.applets), session, join(folder, "chip"));
    apdus += outcome.apdus;
    good += outcome.good;
    for (const moment of ["before", "within", "after"] as const) killed[moment] += outcome.moments[moment];
  }
  const seconds = ((performance.now() - begun_ms) / 1000).toFixed(1);
  console.log(`${sessions.length} sessions: ${apdus} commands, ${good} of them carried out, in ${seconds} s`);
  const { before, within, after } = killed;
  console.log(
    `killed in commands that keep something: ${before} before it was kept, ${within} in the middle, ${after} after`,
  );
}

/** Compares, says what was done, and sets the exit status. */
export async function compareBoards({ name, firmware, platform, own }: Boards, amounts: Amounts): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-board-"));
  try {
    console.log(`${name}:`);
    console.log(await own(folder));
    await comparePlatform(platform, folder, amounts);
    await compareSessions(firmware, folder, amounts);
    console.log("The board answered as the simulator, to the byte, and kept what the simulator keeps.");
  } catch (error) {
    if (!(error instanceof Difference)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
