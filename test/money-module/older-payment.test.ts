/**
 * A payment that was open when both chips got the firmware in which a lock belongs to one payment: it was locked in the old way, and
 * is settled in it. The old firmware is this one with that edited out.
 */

import { expect, it } from "vitest";
import { appletRequest } from "../../scripts/firmware/applets.js";
import { compileIfStale } from "../../scripts/firmware/compile.js";
import { loadApplet, packageRoot, shippedApplet } from "../../simulator/applet-files.js";
import { storyOf } from "../explorer/jobs.js";
import { Machine, nextEvent } from "../explorer/machine.js";
import { SIDES, type State, type Station, withStation } from "../explorer/state.js";
import { placeOf, type Story } from "../explorer/story.js";

const PENDING = "firmware/money-module/pending.ts";
const OLD = [
  {
    path: PENDING,
    find: "const status = sha256(info, 2 * HASH_BYTES, to, HASH_BYTES);",
    replace: "const status: i32 = 0;\n  memory.copy(to, info + HASH_BYTES, HASH_BYTES);",
  },
  { path: PENDING, find: "const PENDING_VERSION: u8 = 2;", replace: "const PENDING_VERSION: u8 = 1;" },
  { path: "firmware/protocol/kinds.ts", find: "PROTOCOL_SPOKEN: i32 = 2;", replace: "PROTOCOL_SPOKEN: i32 = 1;" },
];

async function oldModule() {
  const outputPath = "build/defects/older-payment/money-module.wasm";
  await compileIfStale({ ...appletRequest(packageRoot(), "money-module", "release"), outputPath, edits: OLD });
  return loadApplet(`${packageRoot()}/${outputPath}`);
}

function pendingStates(story: Story, state: State): string[] {
  return SIDES.flatMap((side) => {
    const { snapshot } = state.sides[side].module as Station;
    return placeOf(story, side, "module").pending(snapshot);
  }).map((each) => each.state);
}

/** Until the payer has committed and the payee is in doubt. */
function openPayment(story: Story): State {
  const machine = new Machine(story);
  let state = story.beginning;
  for (let event = nextEvent(state); event !== undefined; event = nextEvent(state)) {
    state = machine.after(state, event);
    if (pendingStates(story, state).join() === "committed,in doubt") return state;
  }
  throw new Error("the payment was never open");
}

it("is settled by the new firmware, and its notes are spendable", async () => {
  const agent = shippedApplet("trusted-agent");
  const before = await storyOf("payment", false, { agent, module: await oldModule() });
  const open = openPayment(before);
  const after = await storyOf("payment", false, { agent, module: shippedApplet("money-module") });
  let state: State = { ...after.beginning, phase: "hang up" };
  for (const side of SIDES) {
    const { snapshot } = open.sides[side].module as Station;
    const off = placeOf(before, side, "module").off(snapshot);
    state = withStation(state, side, "module", { snapshot: off, isOn: false });
  }
  state = {
    ...state,
    sides: [
      { ...state.sides[0], jobs: [] },
      { ...state.sides[1], jobs: [] },
    ],
  };
  const machine = new Machine(after);
  for (let event = nextEvent(state); event !== undefined; event = nextEvent(state)) state = machine.after(state, event);
  expect(pendingStates(after, state)).toEqual([]);
  expect(after.judge(state)).toEqual({ happened: true, wrong: [] });
});
