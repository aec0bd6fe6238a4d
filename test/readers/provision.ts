/** Devices that are made on blank cards in readers, by `tally` as people type it. */

import { aidOf } from "../../host/applets.js";
import { ChipFactory, type ChipSort } from "../../host/chips.js";
import { type Economy, expectThat, locatorOf, ReaderCard, withEconomy } from "./host-support.js";
import type { ReaderCheck } from "./lab.js";

const ORDER = ["--card", "USD 50.00", "--deposit", "USD 9.00"];

interface Audit {
  readonly audit: readonly { readonly balanced: boolean }[];
  readonly missing: readonly string[];
}

async function audited(economy: Economy): Promise<Audit> {
  const { out } = await economy.run("audit");
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Audit;
}

/** Its wallet buys and pays, and every cent is found: on the card, as long as that is in a reader. */
async function expectAtWork(economy: Economy, owner: string): Promise<void> {
  await economy.value("wallet", "buy", owner, "USD 10.00", "--yes");
  await economy.value("wallet", "withdraw", owner, "USD 9.00");
  await economy.value("wallet", "pay", owner, "alice", "USD 2.50");
  await economy.value("wallet", "pay", "alice", owner, "USD 0.50");
  expectThat((await economy.dollars(owner)) === "17.00", "it holds what is left");
  const { audit, missing } = await audited(economy);
  expectThat(missing.length === 0 && audit.every(({ balanced }) => balanced), "the card is counted");
}

const wholeCard = withEconomy("a device is made on a blank card of tally card start", async (economy) => {
  const card = economy.start("card", "start", "--blank", "trusted-agent", "money-module", "purse");
  await card.event("powered");
  await economy.watched.has(locatorOf(0), "card");
  const { places } = await economy.value<{ places: string[] }>(
    ...["device", "provision", "dave", ...ORDER, "--device", "lab 0 00 00"],
  );
  expectThat(places.join() === locatorOf(0), `it says where: ${places.join()}`);
  await expectAtWork(economy, "dave");
  const refused = await economy.run("device", "provision", "erin", "--device", locatorOf(0));
  expectThat(refused.code === 1 && /is not blank \(operational\)/.test(refused.err), `it is dave's: ${refused.err}`);
  card.kill("SIGTERM");
  await card.ended;
  await economy.watched.has(locatorOf(0), "empty");
  const { audit, missing } = await audited(economy);
  expectThat(missing.join() === "dave" && !audit.every(({ balanced }) => balanced), "without it, it is missed");
});

/** Blank chips, each on a card of its own. */
async function blankCards(chips: ChipFactory, name: string): Promise<ReaderCard[]> {
  const cards: ReaderCard[] = [];
  for (const [index, sort] of (["agent", "module"] as const satisfies ChipSort[]).entries()) {
    const { element, simulated } = await chips.chip(`${name}.${sort}`, sort);
    simulated.powerOff();
    cards.push(new ReaderCard([{ aid: aidOf(element.applet), element: simulated }], index));
  }
  return cards;
}

/** Parts of the commands that each card is given: in the midst of its personalisation. */
const TEARS = [0.3, 0.4];

const tornCards = withEconomy(
  "agent and module are made on two cards, which are torn out meanwhile",
  async (economy) => {
    const chips = new ChipFactory();
    try {
      const both = ["--device", locatorOf(0), "--device", locatorOf(1)];
      const whole = await blankCards(chips, "whole");
      for (const card of whole) await economy.insertCard(card);
      await economy.value("device", "provision", "whole", ...ORDER, ...both);
      for (const card of whole) card.remove();
      for (const card of whole) await economy.watched.has(card.locator, "empty");

      const cards = await blankCards(chips, "torn");
      for (const card of cards) await economy.insertCard(card);
      for (const [turn, part] of TEARS.entries()) {
        const card = cards[turn];
        const commands = whole[turn]?.card.commands ?? 0;
        expectThat(card !== undefined && commands > 20, `a card with commands: ${commands}`);
        let isTorn = false;
        card.card.onMoment = () => {
          isTorn = true;
          card.remove();
        };
        card.card.moment = { command: card.card.commands + Math.ceil(commands * part), isDone: turn > 0 };
        const { code, err } = await economy.run("device", "provision", "torn", ...(turn === 0 ? ORDER : []), ...both);
        card.card.moment = undefined;
        expectThat(isTorn && code === 1 && /again with the same card/.test(err), `it says what to do: ${code} ${err}`);
        await economy.putBack(card);
      }
      await economy.value("device", "provision", "torn", ...both);
      await economy.value("wallet", "buy", "torn", "USD 10.00", "--yes");
    } finally {
      chips.close();
    }
  },
);

export const PROVISION_CHECKS: readonly ReaderCheck[] = [wholeCard, tornCards];
