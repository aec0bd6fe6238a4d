/**
 * A payee that was paid, and has confirmed, asks afterwards how it ended. The payer has forgotten the payment, and what it does
 * not know it calls aborted: the payee would hold the payer's signature on a lie, beside the key that proves it one.
 */

import { expect, it } from "vitest";
import { PURPOSE_OUTCOME } from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import { command } from "../../host/commands.js";
import { CheatingSession, deliver } from "../support/cheating-module.js";
import { NoteCheats, usd, VALUE } from "../support/cheating-notes.js";

it("a payer does not sign that a payment was aborted which it had made", async () => {
  const cheats = await NoteCheats.create("aborted after confirmed");
  const { alice, friend } = cheats;
  const { parts, key } = cheats.offered(alice);
  await cheats.takes(alice, parts, VALUE, key);
  const paid = new CheatingSession(friend, alice.element, false);
  await paid.respond(await deliver(alice.element, command.pay(usd(VALUE), null)));
  await paid.correct();
  expect(paid.heard(await paid.ready())[0]?.[0]).toBe(m.MODULE_KEY);
  await paid.confirm();
  expect(await alice.element.pending()).toEqual([]);

  const asking = new CheatingSession(friend, alice.element, false, PURPOSE_OUTCOME);
  await asking.respond(await deliver(alice.element, command.outcome(true)));
  const never = new Uint8Array(32).fill(9);
  const doubts = [paid.hash, never].map((id) => [id, new Uint8Array(32).fill(7)]);
  const [closed] = asking.heard(await asking.say(m.MODULE_ANSWER, [], [], [], doubts));
  expect(closed?.[0]).toBe(m.MODULE_CLOSE);
  const verdicts = closed?.[2] as [Uint8Array, Uint8Array | null, Uint8Array | null][];
  expect(verdicts[0]).toEqual([paid.hash, null, null]);
  // What it never heard of was aborted, of course.
  expect(verdicts[1]?.[2]).toBeInstanceOf(Uint8Array);
});
