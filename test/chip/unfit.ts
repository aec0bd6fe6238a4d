/** Boards whose random bytes are fit for no key: no device is made on them, and the home knows nothing of it afterwards. */

import { spawn } from "node:child_process";
import { join } from "node:path";
import type { BoardName } from "../../scripts/hardware/boards.js";
import { buildImage } from "../../scripts/hardware/build.js";
import { EMULATIONS } from "../../scripts/hardware/emulation.js";
import { packageRoot } from "../../simulator/applet-files.js";
import { Difference } from "../hardware/session.js";
import type { Ended } from "../support/processes.js";
import { startRunner } from "./board-runner.js";

/** `tally` in a home. */
type Run = (...words: string[]) => Promise<Ended>;

async function demandRefused(run: Run, place: string, why: RegExp): Promise<void> {
  const { code, err } = await run("device", "provision", "nobody", "--device", place);
  if (code !== 1 || !why.test(err)) throw new Difference(`a board that is fit for no key: ${code} ${err}`);
  const { out } = await run("device", "list");
  if (out.includes("nobody")) throw new Difference("a device that was refused is in the home");
}

/** The board in QEMU with no random source at all, as the emulated chip is. */
async function withoutSource(board: BoardName, folder: string, work: (place: string) => Promise<void>): Promise<void> {
  const emulation = EMULATIONS[board];
  if (emulation === undefined) throw new RangeError(`board: ${board} is in no emulator`);
  const { path: image } = await buildImage(packageRoot(), board);
  emulation.makeStore?.(join(folder, "none"));
  const given = emulation.values({ image, store: "none", applets: ["money-module", "trusted-agent"] });
  const values = given.map((value) => value.replace(/,arg=random=[^,]*/, ""));
  const line = join(folder, "none.serial");
  const serial = ["-chardev", `socket,id=line,path=${line},server=on,wait=off`, "-serial", "chardev:line"];
  const child = spawn(emulation.program, [...values, ...serial], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const gone = new Promise((done) => child.once("exit", done));
  try {
    await new Promise<void>((resolve, reject) => {
      let said = "";
      child.stderr.on("data", (bytes: Buffer) => {
        said += bytes.toString();
        if (said.includes("ready\n")) resolve();
      });
      child.once("exit", () => reject(new Difference(`QEMU ended: ${said}`)));
    });
    await work(`serial:${line}`);
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

/** Throws where a device is made with keys that are nobody's secret. */
export async function checkUnfit(board: BoardName, folder: string, run: Run): Promise<void> {
  const seeded = await startRunner(board, join(folder, "seeded"), "--seed", "test");
  try {
    await demandRefused(run, seeded.place, /from a seed/);
  } finally {
    seeded.child.kill("SIGTERM");
    await seeded.ended;
  }
  await withoutSource(board, folder, (place) => demandRefused(run, place, /no source of random bytes/));
}
