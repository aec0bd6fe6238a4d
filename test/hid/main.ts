/**
 * USB for real: a Debian kernel in QEMU, a virtual device through its /dev/uhid in one process, and in another the host on
 * node-hid and /dev/hidraw:
 *
 *   npm run test:hid
 *
 * The guest sees this computer's files, read-only, and changes nothing. It needs qemu-system-x86_64, libudev and libusb; kernel
 * and busybox are fetched as packages into build/hid and unpacked there, never installed.
 */

import { spawn } from "node:child_process";
import { createWriteStream, existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { FOLDER, MissingError, prepare, QEMU } from "./machine.js";

/** For all of it: a guest that hangs is ended. */
const WHOLE_MS_MAX = 300_000;
const STATUS = /^GUEST-STATUS (\d+)/;

/** Runs the guest to its end; its exit status, undefined when it did not come so far. */
async function run(parameters: readonly string[]): Promise<number | undefined> {
  const log = createWriteStream(join(FOLDER, "guest.log"));
  const guest = spawn(QEMU, parameters, { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => {
    console.error(`The guest was not done within ${WHOLE_MS_MAX / 1000} s.`);
    guest.kill("SIGKILL");
  }, WHOLE_MS_MAX);
  let status: number | undefined;
  for await (const line of createInterface({ input: guest.stdout })) {
    log.write(`${line}\n`);
    const found = STATUS.exec(line);
    if (found !== null) status = Number(found[1]);
    else if (/^(ok|FAILED|checks) /.test(line)) console.log(line.trimEnd());
  }
  clearTimeout(timer);
  log.end();
  return status;
}

function checkInstalled(): void {
  if (process.platform !== "linux" || process.arch !== "x64") throw new MissingError("Linux on x86-64", []);
  const isThere = (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, QEMU)));
  if (!isThere) throw new MissingError(QEMU, ["qemu-system-x86"]);
}

try {
  checkInstalled();
  const status = await run(await prepare());
  if (status !== 0) {
    console.error(`USB does not work as it should: see ${join(FOLDER, "guest.log")}.`);
    process.exitCode = 1;
  }
} catch (error) {
  if (!(error instanceof MissingError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
