/** What an owner is told of a payment in whose midst the card was taken out: never to pay again what was paid. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AID_MONEY_MODULE, AID_TRUSTED_AGENT } from "../../firmware/protocol/apdu.js";
import type { CardPlace } from "../../host/cards/place.js";
import { exitCodeOf } from "../../host/cli/failure.js";
import { EXIT_OPEN } from "../../host/cli/output.js";
import { CardRemovedError } from "../../host/transports/card-errors.js";
import { parseMoney } from "../../host/units.js";
import { OutcomeUnknownError } from "../../host/wallet/wallet.js";
import { FolderHome } from "../../host/world/home.js";
import { homeIn, openWallet, partsIn } from "../../host/world/wallet.js";
import { Card } from "../../simulator/card/card.js";
import { unpackHome } from "../support/homes.js";
import { application } from "./places.js";

/** A reader out of which the card is torn. */
class TornReader {
  commands = 0;
  tornAt = Number.POSITIVE_INFINITY;
  isDone = false;
  isOut = false;
  readonly missing: Error[] = [];
  readonly card: Card;
  constructor(card: Card) {
    this.card = card;
  }
  async list(): Promise<CardPlace[]> {
    return [{ locator: "pcsc:A", title: "A", state: "card", connect: async () => this.#connect() }];
  }
  async close(): Promise<void> {}
  #connect() {
    this.card.powerOn();
    return {
      name: "A",
      extendedLength: true,
      transmit: async (apdu: Uint8Array) => {
        if (this.isOut) throw new CardRemovedError("A");
        this.commands += 1;
        if (this.commands !== this.tornAt) return this.card.transmit(apdu);
        if (this.isDone) this.card.transmit(apdu);
        this.isOut = true;
        this.card.powerOff();
        throw new CardRemovedError("A");
      },
      reset: async () => undefined,
      close: async () => this.card.powerOff(),
    };
  }
}

/** Alice's chips are a card; she pays bob, and at a command of the payment the card is torn out, before or after it was done. */
async function pay(tornAt: number, isDone: boolean) {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-test-"));
  unpackHome(folder);
  const cardHome = new FolderHome(folder);
  cardHome.claim("chips-alice");
  const agent = await cardHome.chips.chip("alice.agent", "agent");
  const module = await cardHome.chips.chip("alice.module", "module");
  const reader = new TornReader(
    new Card([application(AID_TRUSTED_AGENT, agent.simulated), application(AID_MONEY_MODULE, module.simulated)]),
  );
  const open = (owner: string) => openWallet({ ...partsIn(homeIn(folder)), places: () => reader }, owner);
  const dollars = async (owner: string) => {
    const wallet = await open(owner);
    const [balance] = await wallet.balances();
    await wallet.close();
    return balance?.spendable ?? 0n;
  };
  try {
    const before = await dollars("bob");
    const wallet = await open("alice");
    const first = reader.commands;
    reader.tornAt = first + tornAt;
    reader.isDone = isDone;
    const error: unknown = await wallet.pay("bob", parseMoney("USD 1.00")).catch((reason: unknown) => reason);
    const commands = reader.commands - first;
    await wallet.close();
    reader.isOut = false;
    reader.tornAt = Number.POSITIVE_INFINITY;
    return { commands, error, paid: (await dollars("bob")) - before };
  } finally {
    await cardHome.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

test("whoever has paid, or may have, is not told to do it again", { timeout: 30_000 }, async () => {
  const { commands } = await pay(Number.POSITIVE_INFINITY, false);
  const moments = [commands - 4, commands - 3, commands - 1, commands].flatMap((at) =>
    [false, true].map((isDone) => ({ at, isDone })),
  );
  let paid = 0;
  for (const { at, isDone } of moments) {
    const torn = await pay(at, isDone);
    if (torn.paid > 0n) paid += 1;
    expect(torn.error).toBeInstanceOf(OutcomeUnknownError);
    expect(exitCodeOf(torn.error)).toBe(EXIT_OPEN);
    expect(String(torn.error)).not.toMatch(/once more|the command again/);
  }
  expect(paid).toBeGreaterThan(2);
});
