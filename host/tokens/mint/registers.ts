/** Whom an issuer knows: sellers by their keys, buyers by their accounts, and what was proved of whom (EP 0 833 285 A2, claim 9). */

import { equalBytes, fromHex, toHex } from "../../codec/bytes.js";
import type { Executor } from "../../services/database.js";
import { sellerIdOf } from "../derive.js";
import { TokenError } from "../errors.js";
import type { MintBooks, MintTables } from "./books.js";

export interface RegisteredSeller {
  /** 16 bytes, and the same in hex. */
  readonly id: Uint8Array;
  readonly key: string;
  /** Ed25519. */
  readonly signatureKey: Uint8Array;
  /** X25519. */
  readonly agreementKey: Uint8Array;
  /** Number of its deposit account; null with an authorization service. */
  readonly account: string | null;
  /** Where it is reached; empty if it only collects. */
  readonly address: string;
}

export type NewSeller = Omit<RegisteredSeller, "key">;

export class Registers {
  readonly #books: MintBooks;

  constructor(books: MintBooks) {
    this.#books = books;
  }

  /** Registers a seller, or changes its account and address. Its id must be of its keys. */
  async addSeller({ id, signatureKey, agreementKey, account, address }: NewSeller): Promise<void> {
    if (!equalBytes(id, sellerIdOf(signatureKey, agreementKey)))
      throw new TokenError(
        "not-authentic",
        "The seller's id is not that of its keys. It was not registered and no money is affected. Register it with the id that its keys give.",
      );
    await this.#books.database
      .insertInto("token_seller")
      .values({ id: toHex(id), signature_key: signatureKey, agreement_key: agreementKey, account, address })
      .onConflict((conflict) => conflict.column("id").doUpdateSet({ account, address }))
      .execute();
  }

  async findSeller(id: string): Promise<RegisteredSeller | undefined> {
    const row = await this.#books.database
      .selectFrom("token_seller")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { signature_key: signatureKey, agreement_key: agreementKey, account, address } = row;
    return { id: fromHex(row.id), key: row.id, signatureKey, agreementKey, account, address };
  }

  async seller(id: string): Promise<RegisteredSeller> {
    const seller = await this.findSeller(id);
    if (seller !== undefined) return seller;
    throw new TokenError(
      "unknown-seller",
      "This issuer does not know the seller. Nothing was issued or booked. The seller has to open an account with it first.",
    );
  }

  /** From now on tokens for this purse are paid from this account. */
  async addBuyer(subject: string, account: string): Promise<void> {
    await this.#books.database
      .insertInto("token_buyer")
      .values({ subject, account })
      .onConflict((conflict) => conflict.column("subject").doUpdateSet({ account }))
      .execute();
  }

  async account(subject: string, books: Executor<MintTables> = this.#books.database): Promise<string | undefined> {
    const row = await books
      .selectFrom("token_buyer")
      .select("account")
      .where("subject", "=", subject)
      .executeTakeFirst();
    return row?.account;
  }

  /** The subject has proved this of itself, until and including this second. */
  async addAssertion(subject: string, assertion: string, validUntil_seconds: number): Promise<void> {
    const valid_until = BigInt(validUntil_seconds);
    await this.#books.database
      .insertInto("token_assertion")
      .values({ subject, assertion, valid_until })
      .onConflict((conflict) => conflict.columns(["subject", "assertion"]).doUpdateSet({ valid_until }))
      .execute();
  }

  /** Whether the assertion holds of the subject until this second. */
  async isProved(
    subject: string,
    assertion: string,
    until_seconds: number,
    books: Executor<MintTables> = this.#books.database,
  ): Promise<boolean> {
    const row = await books
      .selectFrom("token_assertion")
      .select("valid_until")
      .where("subject", "=", subject)
      .where("assertion", "=", assertion)
      .executeTakeFirst();
    return row !== undefined && row.valid_until >= BigInt(until_seconds);
  }
}
