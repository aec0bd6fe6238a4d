/** Of every id there is one chip: a card that was begun with and left for another one cannot come back and get its certificate too. */

import { expect, test } from "vitest";
import { INS_SET_STATUS, LIFE_INITIALISED, LIFE_PERSONALISED } from "../../firmware/protocol/apdu.js";
import {
  blanks,
  entries,
  expectJoined,
  home,
  join,
  livesAt,
  newOrder,
  places,
  provideEconomy,
  putBlank,
  refusal,
  torn,
} from "./provisioning.js";

provideEconomy();

/** The command that ends the first chip's personalisation, of a joining that is not disturbed. */
async function firstIsPersonalised(): Promise<number> {
  putBlank();
  await join(newOrder());
  return places.sent.findIndex(([, ins, , p2]) => ins === INS_SET_STATUS && p2 === LIFE_PERSONALISED) + 1;
}

test("a card that has its key, of which it could not be written down, comes back when another one has taken its place", async () => {
  const personalised = await firstIsPersonalised();
  const order = newOrder();
  const left = blanks("left");
  const taken = blanks("taken");
  places.takeOutAll();
  places.put("A", left);
  // The order is two files; the next that is written says that the agent was begun.
  Object.assign(home, { writes: 0, failsAt: 3, isWritten: false });
  await expect(join(order)).rejects.toThrow(/disk is full/);
  home.failsAt = Number.POSITIVE_INFINITY;
  expect(entries(order.name)[0]?.unfinished?.onCard?.begun).toEqual([]);
  expect((await livesAt("A"))[0]).toBe(LIFE_INITIALISED);

  places.takeOutAll();
  places.put("A", taken);
  expect(await torn(order, personalised, "done")).toBeDefined();
  expect(entries(order.name)[0]?.unfinished?.onCard?.begun).toEqual(["agent"]);
  expect((await livesAt("A"))[0]).toBe(LIFE_PERSONALISED);

  places.takeOutAll();
  places.put("A", left);
  expect(await refusal(order)).toMatch(/agent of .* was begun on a chip that is not in A.*Put that card in/);
  expect((await livesAt("A"))[0]).toBe(LIFE_INITIALISED);

  places.takeOutAll();
  places.put("A", taken);
  await join(order);
  await expectJoined(order);
});
