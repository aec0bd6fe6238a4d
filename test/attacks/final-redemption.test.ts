/**
 * After its final redemption date a note is for claims, which pay what no other path has redeemed: a teller that still took it
 * would pay it a second time. Nor may a dead note stand in the way of the good ones beside it.
 */

import { expect, it } from "vitest";
import { REASON_PAST_REDEMPTION } from "../../firmware/protocol/reasons.js";
import { command } from "../../host/commands.js";
import { CheatingSession, deliver, noticeNames } from "../support/cheating-module.js";
import { DAY, NOW, NoteCheats, usd, VALUE } from "../support/cheating-notes.js";

const DATES = { issued: NOW, expiry: NOW + DAY, finalRedemption: NOW + 2 * DAY };

it("a teller takes a note until its final redemption date, and not on it", async () => {
  const cheats = await NoteCheats.create("final redemption");
  const { bank } = cheats;
  const early = cheats.offered(bank, { date: DATES.finalRedemption - 1 }, DATES);
  const late = cheats.offered(bank, { date: DATES.finalRedemption }, DATES);
  await bank.element.open(BigInt(DATES.finalRedemption - 1));
  cheats.cheat.now_seconds = DATES.finalRedemption - 1;
  await cheats.takes(bank, early.parts, VALUE, early.key);
  await bank.element.open(BigInt(DATES.finalRedemption));
  cheats.cheat.now_seconds = DATES.finalRedemption;
  await cheats.refuses(bank, [late.parts], VALUE, REASON_PAST_REDEMPTION);
});

it("a wallet with a dead note pays a teller from its good ones", async () => {
  const cheats = await NoteCheats.create("dead note");
  const { alice, teller } = cheats;
  for (const dates of [DATES, { ...DATES, expiry: NOW + 9 * DAY, finalRedemption: NOW + 9 * DAY }]) {
    const { parts, key } = cheats.offered(alice, {}, dates);
    await cheats.takes(alice, parts, VALUE, key);
  }
  await alice.element.open(BigInt(DATES.finalRedemption));
  teller.now_seconds = DATES.finalRedemption;
  const session = new CheatingSession(teller, alice.element, false);
  await session.respond(await deliver(alice.element, command.pay(usd(VALUE), null)));
  const offered = session.heard(await session.correct());
  expect(offered).toHaveLength(1);
  const left = (await alice.element.notes()).map(({ expiry_seconds }) => expiry_seconds);
  await session.ready();
  expect(left).toHaveLength(2);
  expect((await alice.element.notes()).map(({ expiry_seconds }) => expiry_seconds)).toEqual([DATES.expiry]);
  const more = await deliver(alice.element, command.cancel()).then(() =>
    deliver(alice.element, command.pay(usd(VALUE), null)),
  );
  expect(noticeNames(more)).toEqual(["aborted"]);
});
