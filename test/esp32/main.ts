/**
 * The board of hardware/boards/esp32 on this machine: all that is ours of it compiled against headers of ours, and run over fakes
 * of ESP-IDF, TinyUSB and WAMR, beside the simulator.
 *
 *   npm run test:esp32 -- [--wamr FOLDER] [--no-sanitize] [--seed S] [--transactions N]
 *
 * `--wamr` names a folder with the source of WAMR 2.4 and, in `b/libvmlib.a`, what was built of it for this machine: then that runs the
 * applets, and no fake.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packageRoot } from "../../simulator/applet-files.js";
import { record } from "../fuzz/recordings.js";
import { compareSession, Difference, type Session } from "../hardware/session.js";
import { channelSession, killedSession, recordedSession, spoiltSession } from "../hardware/sessions.js";
import { buildEsp32, type EspBuild } from "./build.js";
import { checkSealed, checkStopped, checkStuck } from "./element-checks.js";
import { checkHidAlone } from "./hid-alone.js";
import { SerialBoard } from "./serial-board.js";
import { checkUsb, keepingCommand } from "./usb-checks.js";
import { compareReports, compareUsbSession } from "./usb-sessions.js";

const { values } = parseArgs({
  options: {
    wamr: { type: "string" },
    "no-sanitize": { type: "boolean", default: false },
    seed: { type: "string", default: "1" },
    transactions: { type: "string", default: "600" },
  },
});
const { seed, wamr } = values;
const root = packageRoot();
const runner = wamr === undefined ? "fake WAMR" : "WAMR";
const CHANNEL_STEPS = 300;

function build(options: EspBuild, sanitizers: string): Promise<string> {
  return buildEsp32(root, values["no-sanitize"] ? options : { ...options, sanitizers });
}

interface Recorded {
  readonly sessions: readonly Session[];
  readonly module: Session;
}

/** The serial path: sessions on it, and what becomes of an element that stops. */
async function checkSerial(
  name: string,
  options: EspBuild,
  sessions: readonly Session[],
  folder: string,
): Promise<string> {
  const program = await build(options, "address,undefined");
  const board = new SerialBoard(program, name, options.isSealed);
  let apdus = 0;
  for (const session of sessions) apdus += (await compareSession(board, session, folder)).apdus;
  console.log(`${name}: ${sessions.length} sessions, ${apdus} commands`);
  return program;
}

async function checkSealedBoard(program: string, session: Session, folder: string): Promise<void> {
  // compareSession leaves nothing behind: once more, and what it kept stays.
  const board = new SerialBoard(program, "sealed", true);
  const { applets, now_ms } = session;
  rmSync(folder, { recursive: true, force: true });
  const running = await board.start({ folder, applets, seed: session.seed, now_ms });
  for (const step of session.steps) if (step.kind === "apdu") await running.stream.exchange(step.apdu);
  await running.stop("end");
  await checkSealed(program, session, folder);
  console.log("sealed registers: nothing of them in the flash, and no element takes another's");
}

async function checkUsbBoard({ sessions, module }: Recorded, folder: string): Promise<void> {
  const name = `esp32s3, USB, ${runner}`;
  const program = await build({ chip: "esp32s3", wamr }, "thread");
  const reports = await compareReports(program, seed, Number(values.transactions), folder);
  console.log(`${name}: ${values.transactions} transactions of any kind, ${reports} reports as the simulator's`);
  const checks = await checkUsb(program, keepingCommand(module), folder);
  let apdus = 0;
  for (const session of sessions) apdus += await compareUsbSession(program, session, folder);
  console.log(`${name}: ${checks} checks of what takes time, ${sessions.length} sessions, ${apdus} commands`);
}

const parent = mkdtempSync(join(tmpdir(), "tallystick-esp32-"));
try {
  const folder = join(parent, "chip");
  console.log(checkHidAlone(root, join(parent, "hid")));
  const recordings = await record();
  const sessions = recordings.map(recordedSession);
  const [module] = sessions;
  if (module?.applets[0] !== "money-module") throw new Error("the first recording is not a module's");
  const others = [
    ...recordings.slice(0, 4).map((each) => spoiltSession(each, seed)),
    ...recordings.slice(0, 2).map((each) => killedSession(each, seed)),
    channelSession(seed, CHANNEL_STEPS),
  ];
  const devices = [...sessions, ...others].filter(({ applets }) => !applets.includes("purse"));
  await checkSerial("esp32c3, serial, compiled", { chip: "esp32c3", isCompiled: true }, devices, folder);
  const sealed = await checkSerial(
    `esp32c3, serial, ${runner}, sealed`,
    { chip: "esp32c3", isSealed: true, wamr },
    [...sessions, ...others],
    folder,
  );
  await checkStopped(sealed, module, folder);
  console.log("an element whose registers cannot be kept is off until power comes again, and the one beside it is not");
  await checkStuck(sealed, module, folder);
  console.log("what flash says it took, and did not, is not answered as if it were there");
  await checkSealedBoard(sealed, module, folder);
  await checkUsbBoard({ sessions, module }, folder);
  console.log("The board answered as the simulator, to the byte, and kept what the simulator keeps.");
} catch (error) {
  if (!(error instanceof Difference)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(parent, { recursive: true, force: true });
}
