/**
 * The APDU conformance set as sessions: every command that the tests of the chip's commands give (test/firmware-apdu), and the
 * examples of docs/APDU.md, recorded while those tests run and pass on the simulator.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fromHex, toHex } from "../../host/codec/bytes.js";
import { type AppletName, packageRoot } from "../../simulator/applet-files.js";
import type { RecordedSession, RecordedStep } from "../support/session-recorder.js";
import { Reference, ReferenceStore, selectCommand } from "./reference.js";
import { Difference, type Session, type Step } from "./session.js";

const FILES = [
  "test/firmware-apdu/personalisation.test.ts",
  "test/firmware-apdu/transport.test.ts",
  "test/firmware-apdu/owner.test.ts",
  "test/apdu-tools/document.test.ts",
];
const APPLETS: readonly (AppletName | undefined)[] = [undefined, "money-module", "trusted-agent", "purse"];
/**
 * Of a hundred answers so many are at least what was recorded. The rest: behind a card, commands for channels and other
 * applications are the card's own.
 */
const SAME_PERCENT_MIN = 93;
const SELECT = "00a404";

function stepOf(step: RecordedStep): Step {
  return step.kind === "apdu" ? { kind: "apdu", apdu: fromHex(step.apdu) } : step;
}

function recorded(folder: string): RecordedSession[] {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const vitest = join(packageRoot(), "node_modules/vitest/vitest.mjs");
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, "run", ...FILES], {
    cwd: packageRoot(),
    env: { ...process.env, TALLY_SESSIONS: folder },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`the conformance set does not pass on the simulator:\n${stdout}\n${stderr}`);
  const files = readdirSync(folder).sort();
  return files.flatMap((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as RecordedSession[]);
}

/**
 * For a card: after power it wants to be told which application is meant, where an element alone does not; and messages of no byte
 * and of one are no commands on a stream.
 */
function forCard(steps: readonly RecordedStep[], applet: AppletName): RecordedStep[] {
  return steps.flatMap((step, index): RecordedStep[] => {
    if (step.kind === "apdu") return step.apdu.length < 4 ? [] : [step];
    const next = steps.slice(index + 1).find(({ kind }) => kind !== "clock");
    const isSelected = next?.kind !== "apdu" || next.apdu.startsWith(SELECT);
    return step.kind === "clock" || isSelected ? [step] : [step, { kind: "apdu", apdu: toHex(selectCommand(applet)) }];
  });
}

/** How many answers the simulator gives again behind a card, and how many there are. */
function again(
  { seed, now_ms }: RecordedSession,
  applet: AppletName,
  steps: readonly RecordedStep[],
): [number, number] {
  const reference = new Reference({ applets: [applet], seed, now_ms }, new ReferenceStore());
  let [same, all] = [0, 0];
  for (const step of steps) {
    if (step.kind === "clock") reference.setClock(step.now_ms);
    if (step.kind === "power") reference.card.powerOn();
    if (step.kind !== "apdu") continue;
    const answer = toHex(reference.card.transmit(fromHex(step.apdu)));
    if (step.answer === undefined) continue;
    all += 1;
    if (answer === step.answer) same += 1;
  }
  return [same, all];
}

/** The sessions; `folder` is used meanwhile. */
export function conformanceSessions(folder: string): Session[] {
  let [same, all] = [0, 0];
  const sessions = recorded(folder).map((each): Session => {
    const applet = APPLETS[each.applet];
    if (applet === undefined) throw new Error(`${each.name}: no applet has the number ${each.applet}`);
    const { name, seed, now_ms } = each;
    const steps = forCard(each.steps, applet);
    const [sameHere, allHere] = again(each, applet, steps);
    [same, all] = [same + sameHere, all + allHere];
    return { name: `conformance: ${name}`, applets: [applet], seed, now_ms, steps: steps.map(stepOf) };
  });
  rmSync(folder, { recursive: true, force: true });
  if (all === 0 || same * 100 < all * SAME_PERCENT_MIN) {
    throw new Difference(`conformance: of ${all} recorded answers the simulator gives ${same} again`);
  }
  console.log(`conformance set: ${sessions.length} sessions, ${all} commands`);
  return sessions;
}
