/**
 * The firmware on the POSIX board (hardware/boards/posix) beside the simulator: what either answers must be the same to the byte.
 *
 *   npm run test:posix -- [--compiler NAME] [--no-sanitize] [--seed S]
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildImage } from "../../scripts/hardware/build.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { record } from "../fuzz/recordings.js";
import { checkCalls } from "../hardware/platform-calls.js";
import { checkVectors } from "../hardware/platform-vectors.js";
import { PosixBoard } from "../hardware/posix-board.js";
import { compareSession, Difference } from "../hardware/session.js";
import { recordedSession, spoiltSession } from "../hardware/sessions.js";

const { values } = parseArgs({
  options: {
    compiler: { type: "string" },
    "no-sanitize": { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
  },
});

const options = { compiler: values.compiler, sanitize: !values["no-sanitize"] };
const root = packageRoot();
const folder = mkdtempSync(join(tmpdir(), "tallystick-posix-"));
const chip = join(folder, "chip");

/** The platform alone: vectors, and calls with any numbers. */
async function comparePlatform(): Promise<void> {
  const image = await buildImage(root, "posix", options, "platform-test");
  const board = new PosixBoard(image.path, "posix");
  const vectors = await checkVectors(board, join(folder, "vectors"));
  console.log(`vectors of the standards: ${vectors} calls`);
  const { calls, good, accepted } = await checkCalls(board, join(folder, "calls"), values.seed, 4000);
  console.log(`calls of the platform: ${calls}, ${good} of any kind carried out, ${accepted} edge signatures accepted`);
}

/** The applets behind their card. */
async function compareSessions(): Promise<void> {
  const image = await buildImage(root, "posix", options);
  const board = new PosixBoard(image.path, "posix");
  const recordings = await record();
  const sessions = recordings.flatMap((each) => [recordedSession(each), spoiltSession(each, values.seed)]);
  let [apdus, good] = [0, 0];
  for (const session of sessions) {
    const outcome = await compareSession(board, session, chip);
    apdus += outcome.apdus;
    good += outcome.good;
  }
  console.log(`${sessions.length} sessions: ${apdus} commands, ${good} of them carried out`);
}

try {
  await comparePlatform();
  await compareSessions();
  console.log("The board answered as the simulator, to the byte, and kept what the simulator keeps.");
} catch (error) {
  if (!(error instanceof Difference)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
