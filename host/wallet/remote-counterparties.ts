/**
 * Whom a wallet on a machine of its own deals with: merchants and the bank where the directory says they are, and other
 * wallets where their owners say. Everybody is reached over lines.
 */

import { NoMerchantError } from "../applications/shop.js";
import type { BankConnection } from "../applications/withdraw.js";
import { openLine } from "../communications/client.js";
import {
  type DirectoryDocument,
  DirectoryDocumentError,
  DOCUMENT_BYTES_MAX,
  readDocument,
} from "../servers/directory-document.js";
import { bankOverLines, LINE, type LineParts, resumptionUrl } from "../servers/purposes.js";
import { type Quote, quotesOf } from "../services/directory.js";
import { type Money, sameUnit, type Unit } from "../units.js";
import type { Contact, Counterparties, Ends, Meeting } from "./counterparties.js";

export interface RemoteParts extends LineParts {
  /** URL of the directory; without it only other wallets can be dealt with. */
  readonly directory?: string;
}

const ANSWER_MS_MAX = 10_000;

/** The directory, or what it should say, cannot be had. */
export class DirectoryUnreachableError extends Error {
  constructor(what: string) {
    super(`${what} No money moved. Check the directory's address (--directory) and that it is served; then try again.`);
    this.name = "DirectoryUnreachableError";
  }
}

/** An address that says nothing to a wallet on a machine of its own. */
export class NotAnAddressError extends Error {
  constructor(text: string) {
    super(`"${text}" is not the address of a wallet. No money moved. Give what the payee's wallet prints: ws://...`);
    this.name = "NotAnAddressError";
  }
}

export class RemoteCounterparties implements Counterparties {
  readonly #parts: RemoteParts;
  #document: DirectoryDocument | undefined;

  constructor(parts: RemoteParts) {
    this.#parts = parts;
  }

  get bank(): BankConnection {
    return {
      connect: async (expected) => (await this.#bank()).connect(expected),
      connectForResume: async () => {
        const link = (await this.#bank()).connectForResume?.();
        if (link === undefined) throw new RangeError("bank: it cannot be resumed with");
        return link;
      },
      refreshOwed: async (subjectId) => (await (await this.#bank()).refreshOwed?.(subjectId)) ?? [],
    };
  }

  async #bank(): Promise<BankConnection> {
    this.#document = undefined;
    const { bank } = await this.#directory();
    if (bank === undefined) throw new DirectoryUnreachableError("The directory does not say where the bank is.");
    return bankOverLines(bank, this.#parts);
  }

  /** What a purchase begins with: the directory is asked anew, because merchants come and go while a wallet is open. */
  async accountUnit(issuer: string): Promise<Unit | undefined> {
    this.#document = undefined;
    return (await this.#directory()).issuers.find(({ bank }) => bank === issuer)?.unit;
  }

  async quotes(direction: "buy" | "sell", money: Money, account: Unit): Promise<Quote[]> {
    const { merchants } = await this.#directory();
    const offers = merchants.flatMap(({ id, name, address, offers }) =>
      offers
        .filter((offer) => sameUnit(offer.account, account))
        .map((offer) => ({ merchant: { id, name, address }, offer })),
    );
    const quotes = quotesOf(offers, { direction, money: money.unit, account, amount: money.amount });
    if (quotes.length === 0) throw new NoMerchantError();
    return quotes;
  }

  trade({ address }: { readonly address: string }): Promise<Meeting> {
    return this.#line(address, LINE.trade);
  }

  payee(address: string): Promise<Meeting> {
    if (!/^wss?:/.test(address)) throw new NotAnAddressError(address);
    return this.#line(address, LINE.pay);
  }

  async resume(contact: Contact, ends: Ends): Promise<Meeting> {
    if (contact.kind === "wallet") return this.#line(contact.address, LINE.resume);
    this.#document = undefined;
    const directory = await this.#directory();
    const merchant = contact.kind === "merchant" ? directory.merchants.find(({ id }) => id === contact.id) : undefined;
    const address = contact.kind === "bank" ? directory.bank : merchant?.address;
    if (address === undefined) throw new DirectoryUnreachableError("The directory does not list the other side now.");
    return this.#line(contact.kind === "bank" ? address : resumptionUrl(address, ends), LINE.resume);
  }

  async #line(url: string, purpose: string): Promise<Meeting> {
    return { link: await openLine(url, purpose, this.#parts), ended: Promise.resolve() };
  }

  /** Asked once for each piece of business, so that all of it is about one and the same document. */
  async #directory(): Promise<DirectoryDocument> {
    this.#document ??= readDocument(await this.#fetch());
    return this.#document;
  }

  async #fetch(): Promise<string> {
    const { directory, timers } = this.#parts;
    if (directory === undefined) throw new DirectoryUnreachableError("This wallet was told of no directory.");
    const waiting = new AbortController();
    const cancel = timers.after(ANSWER_MS_MAX, () => waiting.abort());
    try {
      const response = await fetch(directory, { signal: waiting.signal, redirect: "error" });
      if (response.ok) return await limited(response);
      throw new DirectoryUnreachableError(`The directory at ${directory} answered ${response.status}.`);
    } catch (error) {
      if (error instanceof DirectoryUnreachableError || error instanceof DirectoryDocumentError) throw error;
      // It did not begin in time, or broke off in the middle.
      throw new DirectoryUnreachableError(`The directory at ${directory} gave no answer.`);
    } finally {
      cancel();
    }
  }
}

/** The body, unless it is longer than any directory. */
async function limited(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  for await (const chunk of response.body ?? []) {
    const bytes = chunk as Uint8Array;
    length += bytes.length;
    if (length > DOCUMENT_BYTES_MAX) throw new DirectoryDocumentError("it is too long");
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}
