/** The bank of an economy: its books, its teller and generator, its eye for notes that come back. */

import type { Device } from "../device.js";
import { BadIdList } from "../services/bad-id-list.js";
import { BankBooks } from "../services/bank-books.js";
import { Reconciliation } from "../services/reconciliation.js";
import { TellerService, type TellerTables } from "../services/teller.js";
import { parseMoney } from "../units.js";
import { depositAccount, tillName } from "./plan.js";
import type { Site } from "./site.js";

export interface OpenBank {
  readonly books: BankBooks;
  readonly teller: TellerService;
  readonly badIds: BadIdList;
  readonly devices: readonly Device[];
}

/** Opens the bank for this process, and settles what an earlier one left half done. */
export async function openBank(
  site: Site,
  events: Pick<BankEvents, "onEvent" | "onFault" | "onFinding"> = {},
): Promise<OpenBank> {
  const { home, clock } = site.parts;
  const { modules } = site.agencies;
  home.claim("bank");
  const teller = await site.openDevice("teller");
  const generator = await site.openDevice("generator");
  const database = home.database<TellerTables>("bank");
  const books = await BankBooks.open(database, clock);
  await openAccounts(site, books);
  const reconciliation = await Reconciliation.open({ database, root: modules.root, clock });
  const badIds = await BadIdList.open(database, modules, clock);
  const service = await TellerService.open({ books, database, teller, generator, reconciliation, badIds, ...events });
  for (const { module } of [teller, generator]) await badIds.deliver(module);
  return { books, teller: service, badIds, devices: [teller, generator] };
}

type BankEvents = Parameters<typeof TellerService.open>[0];

/** The accounts of the plan, with what is on them at the beginning; what is there already stays as it is. */
export async function openAccounts(site: Site, books: BankBooks): Promise<void> {
  const { plan } = site;
  for (const { name, stock } of plan.merchants) {
    const owners = stock.flatMap((_, index) => site.record(tillName(name, index)).module?.id ?? []);
    for (const text of plan.bank.deposits) await openAccount(books, { name, owners, text });
  }
  for (const { name, deposits } of plan.customers) {
    const owner = site.moduleOf(name);
    for (const text of deposits ?? []) await openAccount(books, { name, owners: [owner], text });
  }
}

interface NewAccount {
  readonly name: string;
  /** Subject ids of the modules that may withdraw. */
  readonly owners: readonly string[];
  /** What is on it, for example "USD 100.00". */
  readonly text: string;
}

async function openAccount(books: BankBooks, { name, owners, text }: NewAccount): Promise<void> {
  const { unit, amount } = parseMoney(text);
  const account = depositAccount(name, unit);
  await books.openDeposit(account, unit);
  for (const owner of owners) await books.link(account, owner);
  await books.fund({ id: `opening/${account}`, account, amount, unit });
}
