/** Wallets whose chips are cards in readers: what is bought and paid, and what is torn out in the middle of it. */

import { aidOf } from "../../host/applets.js";
import { ChipFactory } from "../../host/chips.js";
import type { Ended } from "../support/processes.js";
import {
  type Economy,
  expectThat,
  locatorOf,
  type Moment,
  ReaderCard,
  readerName,
  receiving,
  withEconomy,
} from "./host-support.js";
import type { ReaderCheck } from "./lab.js";

/** The cards of a home, in readers of these numbers. */
const ALICE = 0;
const BOB = 2;

const YES = "--yes";

function deviceAt(index: number): string[] {
  return ["--device", locatorOf(index)];
}

async function buy(economy: Economy, owner: string, amount: string, ...words: string[]): Promise<void> {
  await economy.value("wallet", "buy", owner, amount, YES, ...words);
}

const wholePurchase = withEconomy("a purchase, and an offline payment from card to card", async (economy) => {
  await economy.insert("alice", ALICE);
  await economy.insert("bob", BOB);
  await buy(economy, "alice", "USD 20.00", ...deviceAt(ALICE));
  // Bob is found by what his card says.
  const { child, address } = await receiving(economy, "bob");
  await economy.value("wallet", "pay", "alice", address, "USD 5.25", "--device", readerName(ALICE).toLowerCase());
  child.kill("SIGINT");
  expectThat((await child.ended).code === 0, "bob's wallet ends in good order");
  expectThat((await economy.dollars("alice")) === "14.75", "alice has what is left");
  expectThat((await economy.dollars("bob", ...deviceAt(BOB))) === "5.25", "bob has what was paid");
  const refused = await economy.run("wallet", "balance", "alice", ...deviceAt(BOB));
  expectThat(refused.code === 1 && /other chips/.test(refused.err), `another's card is refused: ${refused.err}`);
  const ambiguous = await economy.run("wallet", "balance", "alice", "--device", "lab");
  expectThat(/may be any of these/.test(ambiguous.err), `an ambiguous name is refused: ${ambiguous.err}`);
  const unknown = await economy.run("wallet", "balance", "alice", "--device", "pcsc:nowhere");
  expectThat(unknown.err.includes(locatorOf(BOB)), `an unknown name is told which there are: ${unknown.err}`);
  const empty = await economy.run("wallet", "balance", "alice", ...deviceAt(ALICE + 1));
  expectThat(/no card in/.test(empty.err), `an empty reader is said: ${empty.err}`);
  await economy.audit();
  expectThat((await economy.dollars("alice")) === "14.75", "and the home has the chips again");
});

const agentApart = withEconomy("agent and module in two readers", async (economy) => {
  await economy.insert("alice", ALICE, true);
  const both = [...deviceAt(ALICE), ...deviceAt(ALICE + 1)];
  await buy(economy, "alice", "USD 10.00", ...both);
  await economy.value("wallet", "sell", "alice", "USD 4.00", YES);
  expectThat(
    (await economy.dollars("alice", ...deviceAt(ALICE + 1), ...deviceAt(ALICE))) === "6.00",
    "it holds what is left",
  );
  const half = await economy.run("wallet", "balance", "alice", ...deviceAt(ALICE));
  expectThat(half.code === 1 && /second --device/.test(half.err), `half a device is refused: ${half.err}`);
  await economy.audit();
});

const ownPin = withEconomy("a PIN is changed on the card, and its state is shown", async (economy) => {
  await economy.insert("alice", ALICE);
  await economy.value("device", "pin", "alice", "--new", "4711", ...deviceAt(ALICE));
  expectThat((await economy.dollars("alice")) === "0.00", "the home knows the new PIN");
  const wrong = await economy.run("wallet", "balance", "alice", "--pin", "0000");
  expectThat(wrong.code === 1 && /PIN is wrong/.test(wrong.err), "a wrong PIN is refused");
  const { elements } = await economy.value<{ elements: { role: string; pinTries: number }[] }>(
    ...["device", "info", locatorOf(ALICE)],
  );
  expectThat(elements.map(({ role }) => role).join() === "customer's agent,money module", "both chips are there");
  expectThat(elements[0]?.pinTries === 2, "the chip counted the wrong PIN");
  const { connected } = await economy.value<{ connected: { place: string; applications: { owner?: string }[] }[] }>(
    ...["device", "list"],
  );
  const place = connected.find((each) => each.place === locatorOf(ALICE));
  expectThat(place?.applications.map(({ owner }) => owner).join() === "alice,alice", "the list knows whose they are");
});

const tornPinChange = withEconomy("a card torn out while its PIN is changed", async (economy) => {
  const [card] = await economy.insert("alice", ALICE);
  expectThat(card !== undefined, "alice has a card");
  const change = (pin: string) => economy.run("device", "pin", "alice", "--new", pin, ...deviceAt(ALICE));
  const commands = await commandsOf(card, () => change("4711"));
  // The last two commands give agent and module the new PIN.
  for (const moment of [
    { command: commands - 1, isDone: true },
    { command: commands, isDone: false },
    { command: commands, isDone: true },
  ]) {
    card.card.onMoment = () => card.remove();
    card.card.moment = { ...moment, command: card.card.commands + moment.command };
    const { code, err } = await change("0815");
    card.card.moment = undefined;
    expectThat(code === 1 && /device unblock/.test(err), `it says how all chips get one PIN again: ${err}`);
    await economy.putBack(card);
    await economy.value("device", "unblock", "alice", "--new", "4711", ...deviceAt(ALICE));
    expectThat((await economy.dollars("alice")) === "0.00", "and so they do");
  }
});

const purseOnCard = withEconomy("token halves of a purse that is on the card", async (economy) => {
  await economy.value("tokens", "request", "alice", "gazette", "USD 1.00");
  await economy.insert("alice", ALICE);
  const left = async (...words: string[]) => {
    const { purses } = await economy.value<{ purses: { left: string }[] }>("tokens", "balance", "alice", ...words);
    return purses.map((purse) => purse.left).join();
  };
  expectThat((await left(...deviceAt(ALICE))) === "1.0000", "the tokens are on the card");
  expectThat((await left()) === "1.0000", "and are found there");
  const { amount } = await economy.value<{ amount: string }>(
    ...["tokens", "refund", "alice", "gazette", ...deviceAt(ALICE)],
  );
  expectThat(amount === "1.0000", "what was not spent comes back");
  await economy.audit();
});

/** Settles whatever alice has open, with whoever it is; bob waits at an address. */
async function resumed(economy: Economy, address?: string): Promise<void> {
  const words = address === undefined ? [] : [address];
  const { open } = await economy.value<{ open: unknown[] }>("wallet", "resume", "alice", ...words);
  expectThat(open.length === 0, "nothing is open any more");
}

/** How many commands the card gets in a piece of work that nothing disturbs. The first of its kind has more to do. */
async function commandsOf(card: ReaderCard, work: () => Promise<unknown>): Promise<number> {
  await work();
  const before = card.card.commands;
  await work();
  return card.card.commands - before;
}

const TEARS = 6;
/** The first commands of some work look for the card and give it its PIN. */
const OPENING = 0.4;

/** Moments of some work, most of them spread over its second half, in turn before and after the chip has carried a command out. */
function momentsIn(commands: number): Moment[] {
  const spread = Array.from({ length: TEARS }, (_, i) => OPENING + ((1 - OPENING) * i) / TEARS);
  return [0.1, ...spread].map((part, i) => ({ command: Math.ceil(commands * part), isDone: i % 2 === 1 }));
}

/** Whether the card was torn out (work of fewer commands than the last time is done before), and the command's exit code. */
async function tornAt(
  card: ReaderCard,
  { command, isDone }: Moment,
  work: () => Promise<Ended>,
): Promise<{ readonly isTorn: boolean; readonly code: number | null }> {
  let isTorn = false;
  card.card.onMoment = () => {
    isTorn = true;
    card.remove();
  };
  card.card.moment = { command: card.card.commands + command, isDone };
  const { code, err } = await work();
  card.card.moment = undefined;
  expectThat(code === 0 || (isTorn && (code === 1 || code === 4)), `the command ends as it should: ${code} ${err}`);
  const isSaid = code === 0 || (code === 4 ? /resume/ : /money/i).test(err);
  expectThat(isSaid, `it says what it means for the money: ${err}`);
  return { isTorn, code };
}

async function tearOften(
  economy: Economy,
  card: ReaderCard,
  work: () => Promise<Ended>,
  address?: string,
): Promise<void> {
  const commands = await commandsOf(card, work);
  let tears = 0;
  for (const moment of momentsIn(commands)) {
    const before = await economy.dollars("alice");
    const { isTorn, code } = await tornAt(card, moment, work);
    if (!isTorn) continue;
    tears += 1;
    await economy.putBack(card);
    await resumed(economy, address);
    // What the command said has happened: not known is another code.
    const hasMoved = (await economy.dollars("alice")) !== before;
    expectThat(code === 4 || hasMoved === (code === 0), `exit code ${code}, and money ${hasMoved ? "" : "not "}moved`);
  }
  expectThat(tears >= TEARS - 1, `the card was torn out often enough: ${tears} times`);
}

const tornPayment = withEconomy("a card torn out in the middle of a payment, and put back", async (economy) => {
  const [card] = await economy.insert("alice", ALICE);
  expectThat(card !== undefined, "alice has a card");
  await buy(economy, "alice", "USD 40.00");
  const { child, address } = await receiving(economy, "bob");
  await tearOften(economy, card, () => economy.run("wallet", "pay", "alice", address, "USD 1.00"), address);
  child.kill("SIGINT");
  await child.ended;
  await economy.audit();
});

const tornPurchase = withEconomy("a card torn out in the middle of a purchase, and put back", async (economy) => {
  const [card] = await economy.insert("alice", ALICE);
  expectThat(card !== undefined, "alice has a card");
  const merchant = economy.start("merchant", "serve", "alder");
  await merchant.line(/"event"/);
  const words = ["wallet", "buy", "alice", "USD 1.00", YES, "--merchant", "Alder Exchange"];
  await tearOften(economy, card, () => economy.run(...words));
  merchant.kill("SIGTERM");
  await merchant.ended;
  await economy.audit();
});

const payeeWithoutCard = withEconomy(
  "a payee whose card is gone does not wait as if it were there",
  async (economy) => {
    const [card] = await economy.insert("bob", BOB);
    expectThat(card !== undefined, "bob has a card");
    await buy(economy, "alice", "USD 5.00");
    const { child, address } = await receiving(economy, "bob");
    card.remove();
    const { code } = await economy.run("wallet", "pay", "alice", address, "USD 1.00");
    expectThat(code === 1, "nobody is paid");
    const ended = await child.ended;
    expectThat(ended.code === 1 && /Connect the card again/.test(ended.err), `the payee is told: ${ended.err}`);
    expectThat((await economy.dollars("alice")) === "5.00", "alice has her money");
    await economy.audit();
  },
);

const foreignCard = withEconomy("a card of something else, and a blank one, are told apart", async (economy) => {
  const chips = new ChipFactory();
  const { simulated } = await chips.chip("other", "module");
  await economy.insertCard(new ReaderCard([{ aid: Uint8Array.of(0xa0, 0, 0, 0, 3, 0, 0), element: simulated }], 0));
  const blank = await chips.chip("blank", "purse");
  await economy.insertCard(new ReaderCard([{ aid: aidOf(3), element: blank.simulated }], 1));
  const refused = await economy.run("wallet", "balance", "alice", ...deviceAt(0));
  expectThat(refused.code === 1 && /not one of electronic money/.test(refused.err), `it is refused: ${refused.err}`);
  const { connected } = await economy.value<{ connected: { foreign?: boolean; applications: object[] }[] }>(
    ...["device", "list"],
  );
  expectThat(connected[0]?.foreign === true, `it is shown as such: ${JSON.stringify(connected[0])}`);
  const purse = JSON.stringify(connected[1]?.applications);
  expectThat(purse === '[{"role":"purse","id":null,"life":"blank"}]', `the blank one is shown: ${purse}`);
  const { elements } = await economy.value<{ elements: { role: string; pinTries: number | null }[] }>(
    ...["device", "info", locatorOf(1)],
  );
  expectThat(elements[0]?.role === "purse" && elements[0].pinTries === null, "and says what it may of itself");
  chips.close();
});

export const WALLET_CHECKS: readonly ReaderCheck[] = [
  wholePurchase,
  agentApart,
  ownPin,
  tornPinChange,
  purseOnCard,
  tornPayment,
  tornPurchase,
  payeeWithoutCard,
  foreignCard,
];
