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

const image = await buildImage(packageRoot(), "posix", { compiler: values.compiler, sanitize: !values["no-sanitize"] });
const board = new PosixBoard(image.path, "posix");
const folder = mkdtempSync(join(tmpdir(), "tallystick-posix-"));
try {
  const recordings = await record();
  let apdus = 0;
  let good = 0;
  for (const recording of recordings) {
    for (const session of [recordedSession(recording), spoiltSession(recording, values.seed)]) {
      const outcome = await compareSession(board, session, join(folder, "chip"));
      console.log(session.name, outcome);
      apdus += outcome.apdus;
      good += outcome.good;
    }
  }
  console.log(`${recordings.length} recordings, ${apdus} commands, ${good} of them carried out: all answers the same`);
} catch (error) {
  if (!(error instanceof Difference)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
