/**
 * Where the peers of open transactions are found again. An element knows its peer by subject id alone; the host remembers
 * where it dealt with that id. It writes down whom it is about to deal with before it does, because it may be killed in the
 * middle, and gives that to whatever is open afterwards with a peer that it knew nothing of. Business that did not come to an
 * orderly end is remembered too: the wallet's own elements may be done with it, and those of the peer wait for a last word.
 *
 * A contact that is wrong or lost costs nothing but a question to the owner: the elements believe no address.
 */

import { toHex } from "../codec/bytes.js";
import type { Pending } from "../element-data.js";
import type { Contact } from "./counterparties.js";

/** Where the contacts are kept: text that is replaced as one. */
export interface ContactStorage {
  read(): string | undefined;
  write(text: string): void;
}

interface Kept {
  /** By subject id of the peer's module; null: it came to this wallet, and nobody knows where it is. */
  readonly peers: Record<string, Contact | null>;
  /** Whom the wallet deals with, or dealt with last; undefined: with somebody who came to it. */
  readonly last?: Contact;
  /** What has not come to an orderly end, the oldest first. */
  readonly unended: readonly Business[];
}

export interface Business {
  readonly contact: Contact;
  /** The module's log entries from this number on are of it, or later. */
  readonly since: number;
}

/** Beyond so many the oldest is forgotten: only its peer is the worse for it, until the two meet again. */
const UNENDED_MAX = 16;

export class Contacts {
  readonly #storage: ContactStorage;
  #kept: Kept;

  constructor(storage: ContactStorage) {
    this.#storage = storage;
    this.#kept = readKept(storage.read());
  }

  /**
   * Before business begins: `open` is what is open from before, which belongs to whoever was dealt with last. `contact` is
   * undefined when the other one comes to this wallet: then it is for the other one to come back, and there is no business
   * to end here.
   */
  begin(contact: Contact | undefined, open: readonly Pending[], since = 0): Business | undefined {
    const { unended } = this.#kept;
    const peers = this.#peersOf(open);
    if (contact === undefined) {
      this.#keep({ peers, unended });
      return undefined;
    }
    const business = { contact, since };
    this.#keep({ peers, last: contact, unended: [...unended, business].slice(-UNENDED_MAX) });
    return business;
  }

  /** It ended in good order: its peer has got every word. */
  end(business: Business | undefined): void {
    if (business === undefined) return;
    this.#keep({ ...this.#kept, unended: this.#kept.unended.filter((other) => other !== business) });
  }

  /** Business that did not: in this process, or in one that was killed. */
  get unended(): readonly Business[] {
    return this.#kept.unended;
  }

  /** What is open now: a peer that is not known yet is whoever was dealt with last, and one that has nothing open is forgotten. */
  settle(open: readonly Pending[]): void {
    const peers = this.#peersOf(open);
    if (JSON.stringify(peers) !== JSON.stringify(this.#kept.peers)) this.#keep({ ...this.#kept, peers });
  }

  of(peer: Uint8Array): Contact | undefined {
    return this.#kept.peers[toHex(peer)] ?? undefined;
  }

  #peersOf(open: readonly Pending[]): Kept["peers"] {
    const peers: Record<string, Contact | null> = {};
    for (const id of open.map(({ peer }) => toHex(peer))) {
      const known = this.#kept.peers[id];
      peers[id] = known === undefined ? (this.#kept.last ?? null) : known;
    }
    return peers;
  }

  #keep(kept: Kept): void {
    this.#kept = kept;
    this.#storage.write(`${JSON.stringify(kept, undefined, 2)}\n`);
  }
}

/** Of a file that cannot be read nothing is kept: it says only where to knock. */
function readKept(text: string | undefined): Kept {
  try {
    const read = JSON.parse(text ?? "{}") as { peers?: Record<string, unknown>; last?: unknown; unended?: unknown };
    const peers = Object.entries(read.peers ?? {}).filter(
      (entry): entry is [string, Contact | null] => entry[1] === null || isContact(entry[1]),
    );
    return {
      peers: Object.fromEntries(peers),
      ...(isContact(read.last) ? { last: read.last } : {}),
      unended: Array.isArray(read.unended) ? read.unended.filter(isBusiness) : [],
    };
  } catch {
    return { peers: {}, unended: [] };
  }
}

function isBusiness(value: unknown): value is Business {
  if (typeof value !== "object" || value === null || !("contact" in value) || !("since" in value)) return false;
  return isContact(value.contact) && typeof value.since === "number";
}

function isContact(value: unknown): value is Contact {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  if (value.kind === "bank") return true;
  if (value.kind === "merchant") return "id" in value && typeof value.id === "string";
  return value.kind === "wallet" && "address" in value && typeof value.address === "string";
}
