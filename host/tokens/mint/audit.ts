/** What an issuer has made and what became of it, counted again from every purse and compared with the bank's books. */

import { PURSE_MONEY } from "../../../firmware/protocol/tokens.js";
import type { BankBooks } from "../../services/bank-books.js";
import type { Executor } from "../../services/database.js";
import { type Unit, unitKey } from "../../units.js";
import { worthOf } from "../terms.js";
import type { MintBooks, MintTables, StoredPurse } from "./books.js";
import { redeemedSerials } from "./redeemed.js";

export interface MintUnit {
  readonly unit: Unit;
  /** Face value of all purses. */
  readonly issued: bigint;
  /** Neither redeemed nor refunded yet. */
  readonly outstanding: bigint;
  readonly redeemed: bigint;
  readonly refunded: bigint;
  /** What buyers and sellers have below a whole unit of their deposits. */
  readonly credit: bigint;
}

/** Of an issuer that may be at work in another process. `bank`: where it issues money. */
export interface AuditedMint {
  readonly books: MintBooks;
  readonly bank: BankBooks | undefined;
}

export function auditMint(parts: AuditedMint) {
  // Of one moment: the issuer may be at work.
  return parts.books.transact((transaction) => auditOf(parts, transaction));
}

async function auditOf(parts: AuditedMint, transaction: Executor<MintTables>) {
  const faults: string[] = [];
  const sums = new Map<string, MintUnit>();
  for (const purse of await parts.books.pursesIn(["open", "recalled", "closed"], undefined, transaction)) {
    faults.push(...(await purseFaults(parts, purse, transaction)));
    const key = unitKey(purse.unit);
    const before = sums.get(key) ?? { unit: purse.unit, ...NOTHING };
    const left = purse.face - purse.amountRedeemed;
    const isClosed = purse.state === "closed";
    sums.set(key, {
      ...before,
      issued: before.issued + purse.face,
      redeemed: before.redeemed + purse.amountRedeemed,
      refunded: before.refunded + (isClosed ? left : 0n),
      outstanding: before.outstanding + (isClosed ? 0n : left),
    });
  }
  const units: MintUnit[] = [];
  for (const sum of sums.values()) {
    const totals = await parts.bank?.tokens.totals(transaction, sum.unit);
    units.push({ ...sum, credit: totals?.credit ?? 0n });
    if (totals !== undefined && totals.issued !== sum.outstanding)
      faults.push(
        `unit ${unitKey(sum.unit)}: ${sum.outstanding} is outstanding, the bank's books say ${totals.issued}`,
      );
  }
  return { units, faults };
}

const NOTHING = { issued: 0n, outstanding: 0n, redeemed: 0n, refunded: 0n, credit: 0n };

async function purseFaults({ bank }: AuditedMint, purse: StoredPurse, books: Executor<MintTables>): Promise<string[]> {
  const faults: string[] = [];
  const marked = await redeemedSerials(books, purse.key);
  if (marked.length !== purse.tokensRedeemed || worthOf(purse.denominations, marked) !== purse.amountRedeemed)
    faults.push(`purse ${purse.key}: ${marked.length} tokens are marked, ${purse.tokensRedeemed} were counted`);
  if (marked.some((serial) => serial >= purse.tokens))
    faults.push(`purse ${purse.key}: a token beyond its last is marked`);
  if ((purse.kind === PURSE_MONEY) !== (bank !== undefined)) faults.push(`purse ${purse.key}: of another kind`);
  if ((purse.state === "closed") !== (purse.secret === null))
    faults.push(`purse ${purse.key}: its secret does not fit`);
  return faults;
}
