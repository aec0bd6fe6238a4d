/** What the auditor is given of a world: cards to ask, accounts and databases to read, and what a transaction says. */

import type { SimulatedChip } from "../../host/chips.js";
import type { Audited, AuditedModule, Deal } from "./auditor.js";
import { Customer, FEE, type Host, Shop } from "./hosts.js";
import type { Transaction } from "./transactions.js";
import type { World } from "./world.js";

export function ownersOf(ends: readonly Host[]): string[] {
  return ends.filter((host) => host instanceof Customer || host instanceof Shop).map(({ name }) => name);
}

/** Undefined: whoever refreshes notes has afterwards what he had before. */
export function dealOf(transaction: Transaction, words: Deal["words"]): Deal | undefined {
  const { kind, customer, other, amount } = transaction;
  const base = { amount, words };
  switch (kind) {
    case "payment":
    case "pos":
      return { ...base, payer: customer.name, payee: other.name };
    case "withdrawal":
      return { ...base, payer: undefined, payee: customer.name };
    case "deposit":
      return { ...base, payer: customer.name, payee: undefined };
    case "refresh":
      return undefined;
    default: {
      const { account, acquirer, name } = other as Shop;
      const trade = {
        ...{ type: kind, customer: customer.name, customerAccount: customer.account, merchant: name },
        ...{ merchantAccount: account, acquirer, amount, fee: FEE },
      };
      const ends = kind === "purchase" ? { payer: name, payee: customer.name } : { payer: customer.name, payee: name };
      return { ...base, ...ends, trade };
    }
  }
}

function cardOf({ simulated }: SimulatedChip): (apdu: Uint8Array) => Uint8Array {
  return (apdu) => simulated.transmit(apdu);
}

export function auditedModule(host: Host, chip: SimulatedChip, role: AuditedModule["role"]): AuditedModule {
  const isOn = () => chip.simulated.isOn;
  const module = { id: chip.element.idHex, name: host.name, role, card: cardOf(chip), isOn };
  return role === "wallet" ? { ...module, owner: host.name } : module;
}

export function auditedOf({ bank, shops, customers, networkDatabase }: World): Audited {
  const [teller, generator] = bank.chips;
  if (teller === undefined || generator === undefined) throw new Error("a bank has a teller and a generator");
  const owners = [...shops, ...customers];
  const chips = owners.flatMap((host) => host.chips.map((each) => ({ host, ...each })));
  return {
    modules: [
      auditedModule(bank, teller.module, "teller"),
      auditedModule(bank, generator.module, "generator"),
      ...chips.map(({ host, module }) => auditedModule(host, module, "wallet")),
    ],
    accounts: new Map(owners.map(({ name, account }) => [name, account])),
    bank: bank.database,
    network: networkDatabase,
    outboxes: new Map(shops.map(({ name, database }) => [name, database])),
    agents: chips.flatMap(({ agent }) => (agent === undefined ? [] : [cardOf(agent)])),
  };
}
