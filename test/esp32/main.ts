import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../simulator/applet-files.js";
import { record } from "../fuzz/recordings.js";
import { compareSession } from "../hardware/session.js";
import { recordedSession } from "../hardware/sessions.js";
import { buildEsp32 } from "./build.js";
import { SerialBoard } from "./serial-board.js";
const root = packageRoot();
const folder = mkdtempSync(join(tmpdir(), "tallystick-esp32-"));
const recordings = await record();
for (const wamr of [undefined, "/tmp/esp32/wamr"]) {
  const board = new SerialBoard(await buildEsp32(root, { chip: "esp32c3", wamr }), "c3");
  const t = performance.now();
  for (const r of recordings) console.log(r.name, await compareSession(board, recordedSession(r), join(folder, "chip")));
  console.log(wamr, performance.now() - t);
}
