/** The auditor can fail: whatever is falsified in a world that was in order, it says so. */

import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { runTransfer } from "../../host/applications/transfer.js";
import { withdraw } from "../../host/applications/withdraw.js";
import { command } from "../../host/commands.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { type Books, narrowed } from "../../host/services/database.js";
import { auditedOf } from "./audited.js";
import { Auditor } from "./auditor.js";
import { Customer, FEE, USD } from "./hosts.js";
import { Simulation } from "./simulation.js";

const OPTIONS = { devices: 14, transactions: 40, seed: "falsified", faults: false };

let simulation: Simulation;

beforeEach(async () => {
  simulation = await Simulation.create(OPTIONS);
  for (let number = 1; number <= OPTIONS.transactions; number += 1) await simulation.step(number);
  expect(simulation.auditor.violations).toEqual([]);
});

afterEach(() => {
  expect(simulation.auditor.violations, "nothing was noticed").not.toEqual([]);
});

async function change(database: Books, text: string): Promise<void> {
  const changed = await sql.raw(text).execute(narrowed<unknown>(database));
  expect(changed.numAffectedRows, "nothing was falsified").toBe(1n);
}

function found(): string[] {
  return simulation.auditor.violations.map(({ what }) => what);
}

function someone(fits: (customer: Customer) => boolean = () => true): Customer {
  const customer = simulation.world.customers.find(
    (each) => fits(each) && simulation.auditor.holdingsOf(each.name).some(({ spendable }) => spendable > 100n),
  );
  if (customer === undefined) throw new Error("nobody has any money");
  return customer;
}

describe("books", () => {
  test("a balance that nothing was posted to", async () => {
    const { world, auditor } = simulation;
    await change(
      world.bank.database,
      "update ledger_account set balance = balance + 1 where id = 'deposits/account-customer-3'",
    );
    await auditor.everything();
    expect(found()).toEqual([
      expect.stringContaining("customer-3 has"),
      expect.stringContaining("account deposits/account-customer-3 has"),
    ]);
  });

  test("a posting that was dropped", async () => {
    const { world, auditor } = simulation;
    await change(
      world.bank.database,
      "delete from ledger_posting where rowid = (select max(rowid) from ledger_posting where side = 'debit')",
    );
    await auditor.everything();
    expect(found()).toEqual([
      expect.stringContaining("was posted to it"),
      expect.stringContaining("is out of balance"),
    ]);
  });

  test("a posting to the wrong account, with both balances to match", async () => {
    const { world, auditor } = simulation;
    const { database } = world.bank;
    const posting = "(select max(rowid) from ledger_posting where account_id like 'deposits/account-customer-%')";
    const whose = `(select account_id from ledger_posting where rowid = ${posting})`;
    const signed = `(select case side when 'credit' then amount else -amount end from ledger_posting where rowid = ${posting})`;
    const other = "'deposits/account-shop-0'";
    await change(database, `update ledger_account set balance = balance - ${signed} where id = ${whose}`);
    await change(database, `update ledger_account set balance = balance + ${signed} where id = ${other}`);
    await change(database, `update ledger_posting set account_id = ${other} where rowid = ${posting}`);
    await auditor.everything();
    expect(found()).toEqual([expect.stringContaining("shop-0 has"), expect.stringContaining("customer-")]);
  });

  test("notes that were issued and are not booked as such", async () => {
    const { world, auditor } = simulation;
    const largest = "(select max(rowid) from bank_operation where kind = 'issue')";
    await change(world.bank.database, `update bank_operation set amount = amount + 1 where rowid = ${largest}`);
    await auditor.everything();
    expect(found()).toEqual([expect.stringContaining("bank: money-issued is")]);
  });

  test("a deposit that the teller never took", async () => {
    const { world, auditor } = simulation;
    const { account, name } = someone();
    const deposit = { id: "ab".repeat(32), account, amount: 5n, unit: USD };
    await world.bank.books.depositSettle(deposit);
    await auditor.after([name]);
    expect(found()).toEqual([
      expect.stringContaining("booked what its modules did not log: deposit abab"),
      expect.stringContaining(`${name} has`),
    ]);
  });

  test("a deposit that the teller took and the books do not know", async () => {
    const { world, auditor } = simulation;
    world.bank.books.depositSettle = async () => ({
      id: "",
      kind: "deposit",
      state: "settled",
      account: "",
      unit: USD,
      amount: 0n,
    });
    for (let number = 100; auditor.violations.length === 0 && number < 300; number += 1) await simulation.step(number);
    expect(found()).toContainEqual(expect.stringContaining("logged what its books do not have: deposit"));
  });

  test("a card that was charged for something else", async () => {
    const { world, auditor } = simulation;
    const account = "(select max(id) from ledger_account where id like 'meadow-bank/deposit/account-c%')";
    await change(world.networkDatabase, `update ledger_account set balance = balance + 10 where id = ${account}`);
    await auditor.end();
    expect(found()).toEqual([
      expect.stringMatching(/^network: account meadow-bank.* was posted to it/),
      expect.stringMatching(/^network: meadow-bank.*should have/),
    ]);
  });

  test("an authorization that was completed, and no money moved", async () => {
    const { world, auditor } = simulation;
    const [shop] = world.shops;
    if (shop === undefined) throw new Error("no merchant");
    // What was authorized last is seen as if it belonged to a purchase that was broken off.
    const { name, account } = someone(({ hasAgent }) => hasAgent);
    const seen = new Auditor(auditedOf(world));
    await seen.begin();
    const trade = {
      ...({ type: "purchase", customer: name, customerAccount: account, merchant: shop.name } as const),
      ...{ merchantAccount: shop.account, acquirer: shop.acquirer, amount: 1n, fee: FEE },
    };
    await seen.after([name], { payer: shop.name, payee: name, amount: 1n, words: ["aborted"], trade });
    auditor.violations.push(...seen.violations.filter(({ what }) => /is completed, and money did not move/.test(what)));
  });
});

describe("modules", () => {
  test("notes made with the key of the generator, which was stolen", async () => {
    const { world, auditor } = simulation;
    const [teller, generator] = world.bank.chips;
    if (teller === undefined || generator === undefined) throw new Error("no bank");
    const stolen = new Customer("thief", { module: await world.cloneOf(generator.module, "thief") }, world.time);
    await world.time.run(stolen.start());
    const [near, far] = inProcessLink();
    const money = { amount: 500n, unit: USD };
    const making = stolen.device.converse(far, "module", async (conversation) => {
      await conversation.prepare(command.listen());
      return runTransfer(stolen.device, conversation, { answerRequest: () => command.yesWithNotes([500n]) });
    });
    const [device] = world.bank.devices;
    if (device === undefined) throw new Error("no teller");
    const taking = withdraw(device, { connect: async () => near }, "", money);
    await world.time.run(Promise.all([making, taking]));
    await auditor.after([]);
    expect(found()).toEqual([
      expect.stringContaining("bank logged 500 received from"),
      expect.stringMatching(/^issued .* is not held/),
    ]);
  });

  test.each(["payer", "payee"] as const)("a %s that was put back to before the payment", async (who) => {
    const { world, auditor } = simulation;
    const ends = { payer: someone(), payee: someone((each) => each !== someone()) };
    const { simulated } = ends[who].elements.at(-1) ?? {};
    const before = simulated?.snapshot();
    if (simulated === undefined || before === undefined) throw new Error("no module");
    const [near, far] = inProcessLink();
    const receiving = receive(ends.payee.device, far);
    await world.time.run(Promise.all([pay(ends.payer.device, near, { amount: 50n, unit: USD }), receiving]));
    simulated.restore(before);
    const deal = {
      payer: ends.payer.name,
      payee: ends.payee.name,
      amount: 50n,
      words: ["happened", "happened"] as const,
    };
    await auditor.after([ends.payer.name, ends.payee.name], deal);
    expect(found()).toContainEqual(expect.stringMatching(/^issued .* is not held/));
    expect(found()).toContainEqual(expect.stringMatching(/^customer-\d+ has \d+, and should have \d+/));
  });

  test("what was said to have happened and did not, and the other way round", async () => {
    const { auditor } = simulation;
    const { name: payer } = someone();
    const { name: payee } = someone(({ name }) => name !== payer);
    expect(await auditor.after([payer, payee], { payer, payee, amount: 5n, words: ["happened", "unknown"] })).toBe(
      false,
    );
    auditor.paidIn(payer, 5n);
    auditor.paidIn(payee, -5n);
    expect(await auditor.after([payer, payee], { payer, payee, amount: 5n, words: ["aborted", "unknown"] })).toBe(true);
    expect(found()).toEqual([
      "an application said that it was paid, and it was not",
      "an application said that nothing was paid, and it was",
    ]);
  });

  test("something that stays open", async () => {
    const { world, auditor } = simulation;
    const [payer, payee] = [someone(), someone((each) => each !== someone())];
    // Every message of the payee but the first few is lost: the payer commits, and is never confirmed.
    const [near, far] = inProcessLink((direction, index) =>
      direction === 0 && index > 3 ? { kind: "cut" } : { kind: "deliver" },
    );
    const receiving = receive(payee.device, far);
    await world.time.run(Promise.allSettled([pay(payer.device, near, { amount: 50n, unit: USD }), receiving]));
    await auditor.after([payer.name, payee.name], {
      payer: payer.name,
      payee: payee.name,
      amount: 50n,
      words: ["unknown"],
    });
    expect(found()).toEqual([]);
    expect(await auditor.end()).toBeGreaterThan(0);
    expect(found()).toContainEqual(expect.stringMatching(/still has 50 (in doubt|committed)/));
  });
});
