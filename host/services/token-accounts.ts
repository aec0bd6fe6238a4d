/**
 * The bank's accounts of token halves. A token's unit is finer than a deposit's (a hundredth of a cent), so money changes its
 * unit on the way, and what is below a whole unit of the deposit waits as credit until it makes one:
 *
 *   token-float/FINE/COARSE    liability, coarse  taken from deposits for tokens
 *   token-cover/FINE/COARSE    asset, fine        the same, as what stands behind the tokens: always the float times the factor
 *   tokens-issued/FINE         liability, fine    tokens that are out
 *   token-credit/SUBJECT/FINE  liability, fine    what a buyer or seller has below a whole unit of its deposit
 *
 * Every entry balances in each unit, so that no hundredth of a cent is made or lost.
 */

import type { Books } from "./database.js";
import { type Account, checkUnit, type Ledger, LedgerError, type Posting, type Unit } from "./ledger.js";

export interface TokenMovement {
  /** Key of the entry. */
  readonly id: string;
  /** Whose money it is, 32 hex digits. */
  readonly subject: string;
  /** Ledger account of its deposit. */
  readonly deposit: string;
  /** Of the tokens. */
  readonly unit: Unit;
  readonly amount: bigint;
  readonly time_seconds: bigint;
}

export interface TokenTotals {
  readonly issued: bigint;
  readonly credit: bigint;
}

const FLOAT = "token-float/";
const COVER = "token-cover/";
const ISSUED = "tokens-issued/";
const CREDIT = "token-credit/";

/** How many pieces of `fine` make one of `coarse`; undefined where they do not. */
export function unitFactor(fine: Unit, coarse: Unit): bigint | undefined {
  if (fine.currency !== coarse.currency || fine.exponent < coarse.exponent) return undefined;
  return 10n ** BigInt(fine.exponent - coarse.exponent);
}

export class TokenAccounts {
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** Unit of a deposit; LedgerError if there is none. */
  async depositUnit(books: Books, deposit: string): Promise<Unit> {
    return (await this.#ledger.account(books, deposit)).unit;
  }

  /** Tokens are issued: paid from the subject's credit, and as many whole units of its deposit as are wanting. */
  async charge(transaction: Books, movement: TokenMovement): Promise<void> {
    const { coarse, factor, credit } = await this.#before(transaction, movement);
    const wanting = movement.amount - credit;
    const drawn = wanting > 0n ? (wanting + factor - 1n) / factor : 0n;
    const change = drawn * factor - movement.amount;
    await this.#post(transaction, movement, coarse, -drawn, change, { side: "credit", amount: movement.amount });
  }

  /** Tokens came back: their value is credited to the subject, in whole units of its deposit as far as it makes such. */
  async pay(transaction: Books, movement: TokenMovement): Promise<void> {
    if (movement.amount === 0n) return;
    const { coarse, factor, credit } = await this.#before(transaction, movement);
    const paid = (credit + movement.amount) / factor;
    const change = movement.amount - paid * factor;
    await this.#post(transaction, movement, coarse, paid, change, { side: "debit", amount: movement.amount });
  }

  /** What a subject has below a whole unit of its deposit. */
  async credit(books: Books, subject: string, unit: Unit): Promise<bigint> {
    return (await this.#ledger.find(books, creditOf(subject, unit)))?.balance ?? 0n;
  }

  /** What the ledger says of a unit of tokens. */
  async totals(books: Books, unit: Unit): Promise<TokenTotals> {
    const accounts = await this.#ledger.accounts(books);
    const sum = (belongs: (id: string) => boolean) =>
      accounts.filter(({ id }) => belongs(id)).reduce((total, { balance }) => total + balance, 0n);
    const fine = unitName(unit);
    return {
      issued: sum((id) => id === `${ISSUED}${fine}`),
      credit: sum((id) => id.startsWith(CREDIT) && id.endsWith(`/${fine}`)),
    };
  }

  /** What does not fit: each float is its cover, and what covers the tokens of a unit is what is owed in it. */
  async audit(books: Books): Promise<string[]> {
    const accounts = await this.#ledger.accounts(books);
    const balances = new Map(accounts.map(({ id, balance }) => [id, balance]));
    const faults: string[] = [];
    const owed = new Map<string, bigint>();
    const add = (unit: Unit, amount: bigint) => owed.set(unitName(unit), (owed.get(unitName(unit)) ?? 0n) + amount);
    for (const { id, unit, balance } of accounts) {
      if (id.startsWith(ISSUED) || id.startsWith(CREDIT)) add(unit, balance);
      if (id.startsWith(COVER)) add(unit, -balance);
      if (!id.startsWith(FLOAT)) continue;
      const pair = id.slice(FLOAT.length);
      const fine = accounts.find((account) => account.id === COVER + pair)?.unit;
      const factor = fine === undefined ? undefined : unitFactor(fine, unit);
      const cover = balances.get(COVER + pair) ?? 0n;
      if (factor === undefined || cover !== balance * factor)
        faults.push(`account ${id} shows ${balance}, its twin ${COVER}${pair} ${cover}`);
    }
    for (const [unit, amount] of owed)
      if (amount !== 0n) faults.push(`tokens of unit ${unit}: ${amount} is owed that nothing covers`);
    return faults;
  }

  async #before(transaction: Books, { subject, deposit, unit }: TokenMovement) {
    checkUnit(unit);
    const coarse = await this.depositUnit(transaction, deposit);
    const factor = unitFactor(unit, coarse);
    if (factor === undefined)
      throw new LedgerError(
        "out-of-range",
        `Account "${deposit}" is not kept in a unit that tokens of this one add up to.`,
      );
    const credit = await this.credit(transaction, subject, unit);
    return { coarse, factor, credit };
  }

  /** `paid`: to the deposit, in its unit; `change`: to the credit, in the tokens'. Below zero they are taken. */
  async #post(
    transaction: Books,
    movement: TokenMovement,
    coarse: Unit,
    paid: bigint,
    change: bigint,
    issued: Omit<Posting, "account">,
  ): Promise<void> {
    const { id, subject, deposit, unit, time_seconds } = movement;
    const factor = unitFactor(unit, coarse) ?? 1n;
    const pair = `${unitName(unit)}/${unitName(coarse)}`;
    const own: readonly Account[] = [
      { id: FLOAT + pair, kind: "liability", unit: coarse, mayGoNegative: false },
      { id: COVER + pair, kind: "asset", unit, mayGoNegative: false },
      { id: ISSUED + unitName(unit), kind: "liability", unit, mayGoNegative: false },
      { id: creditOf(subject, unit), kind: "liability", unit, mayGoNegative: false },
    ];
    for (const account of own) await this.#ledger.openAccount(transaction, account);
    const postings: Posting[] = [{ account: ISSUED + unitName(unit), ...issued }];
    // Adds to a liability by a credit, takes from it by a debit.
    const give = (account: string, amount: bigint) => {
      if (amount > 0n) postings.push({ account, side: "credit", amount });
      if (amount < 0n) postings.push({ account, side: "debit", amount: -amount });
    };
    give(deposit, paid);
    give(FLOAT + pair, -paid);
    give(COVER + pair, paid * factor);
    give(creditOf(subject, unit), change);
    await this.#ledger.post(transaction, { id, memo: "", time_seconds, postings });
  }
}

function creditOf(subject: string, unit: Unit): string {
  return `${CREDIT}${subject}/${unitName(unit)}`;
}

function unitName({ currency, exponent }: Unit): string {
  return `${currency}.${exponent}`;
}
