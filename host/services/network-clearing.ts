/**
 * What a completed authorization leaves between the banks. The payer's bank owes the network what it captured, the
 * network owes the payee's bank what that credited; where the two are in different currencies, the network's exchange
 * accounts stand between them.
 */

import type { Transaction } from "kysely";
import type { Ledger, Posting, Unit } from "./ledger.js";
import type { AuthorizationRow, NetworkTables } from "./network-tables.js";

export async function settleBetweenBanks(
  transaction: Transaction<NetworkTables>,
  ledger: Ledger,
  row: AuthorizationRow,
  time_seconds: bigint,
): Promise<void> {
  const cardUnit = { currency: Number(row.billing_currency), exponent: Number(row.billing_exponent) };
  const merchantUnit = { currency: Number(row.currency), exponent: Number(row.exponent) };
  const [cardSide, merchantSide] =
    row.type === "purchase" ? (["debit", "credit"] as const) : (["credit", "debit"] as const);
  const card = await networkAccount(transaction, ledger, `due/${row.card_bank}`, cardUnit);
  const merchant = await networkAccount(transaction, ledger, `due/${row.merchant_bank}`, merchantUnit);
  const cardExchange = await networkAccount(transaction, ledger, "exchange", cardUnit);
  const merchantExchange = await networkAccount(transaction, ledger, "exchange", merchantUnit);
  const postings: Posting[] = [
    { account: card, side: cardSide, amount: row.billing_amount },
    { account: cardExchange, side: merchantSide, amount: row.billing_amount },
    { account: merchantExchange, side: cardSide, amount: row.amount },
    { account: merchant, side: merchantSide, amount: row.amount },
  ];
  await ledger.post(transaction, { id: `network/clear/${row.approval}`, memo: "", time_seconds, postings });
}

/** `due/BANK`: what that bank owes the network; `exchange`: the network's position in a currency. Both go either way. */
async function networkAccount(
  transaction: Transaction<NetworkTables>,
  ledger: Ledger,
  name: string,
  unit: Unit,
): Promise<string> {
  const id = `network/${name}/${unit.currency}.${unit.exponent}`;
  await ledger.openAccount(transaction, { id, kind: "asset", unit, mayGoNegative: true });
  return id;
}
