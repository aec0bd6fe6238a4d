/** The money of a mint: tokens are paid from deposits at its bank, and credited to them. */

import { type BankBooks, depositOf } from "../services/bank-books.js";
import type { Books, Executor } from "../services/database.js";
import { LedgerError, type LedgerErrorCode } from "../services/ledger.js";
import { unitFactor } from "../services/token-accounts.js";
import { sameUnit, type Unit } from "../units.js";
import type { MintTables, StoredPurse, StoredRequest } from "./mint-books.js";
import type { RegisteredSeller, Registers } from "./mint-registers.js";
import { PrivateRefusal } from "./refusals.js";

/** Tokens are at most so much finer than what the ledger counts. */
const EXPONENT_MAX = 9;

const TOO_MUCH: readonly LedgerErrorCode[] = ["insufficient-funds", "out-of-range"];

export class MintMoney {
  readonly bank: BankBooks;
  readonly #registers: Registers;
  readonly #now: () => number;

  constructor(bank: BankBooks, registers: Registers, now: () => number) {
    this.bank = bank;
    this.#registers = registers;
    this.#now = now;
  }

  /** Whether tokens of this unit can be bought from this account, and paid to that one; the seller's is known to exist. */
  async takes(books: Books, unit: Unit, buyersAccount: string, seller: RegisteredSeller): Promise<boolean> {
    if (seller.account === null || unit.exponent > EXPONENT_MAX) return false;
    const buyers = await this.bank.tokens.depositUnit(books, depositOf(buyersAccount));
    const sellers = await this.bank.tokens.depositUnit(books, depositOf(seller.account));
    return sameUnit(buyers, sellers) && unitFactor(unit, buyers) !== undefined;
  }

  /** Debits the face value of a new purse; PrivateRefusal when there is not enough. */
  async charge(transaction: Books, purse: StoredPurse, payer: StoredRequest, account: string): Promise<void> {
    const { unit, face: amount } = purse;
    const id = `token-issue/${purse.key}`;
    try {
      await this.bank.tokens.charge(transaction, {
        ...{ id, subject: payer.buyer, deposit: depositOf(account), unit, amount },
        time_seconds: BigInt(this.#now()),
      });
    } catch (error) {
      // Out of range is more than any account can hold.
      const isTooMuch = error instanceof LedgerError && TOO_MUCH.includes(error.code);
      throw isTooMuch ? new PrivateRefusal("insufficient-funds", payer) : error;
    }
  }

  async paySeller(
    transaction: Books,
    parts: {
      readonly id: string;
      readonly seller: RegisteredSeller;
      readonly purse: StoredPurse;
      readonly amount: bigint;
    },
  ): Promise<void> {
    const { id, seller, purse, amount } = parts;
    if (seller.account === null) throw new Error(`seller ${seller.key} has no account for money`);
    await this.#pay(transaction, id, seller.key, seller.account, purse.unit, amount);
  }

  /** What was not redeemed of a purse goes back to the buyer who paid it. */
  async payBack(transaction: Executor<MintTables>, purse: StoredPurse, buyer: string, amount: bigint): Promise<void> {
    const account = await this.#registers.account(buyer, transaction);
    if (account === undefined) throw new Error(`buyer ${buyer} has no account for a refund`);
    await this.#pay(transaction, `token-refund/${purse.key}`, buyer, account, purse.unit, amount);
  }

  async #pay(
    transaction: Books,
    id: string,
    subject: string,
    account: string,
    unit: Unit,
    amount: bigint,
  ): Promise<void> {
    const time_seconds = BigInt(this.#now());
    await this.bank.tokens.pay(transaction, { id, subject, deposit: depositOf(account), unit, amount, time_seconds });
  }
}
