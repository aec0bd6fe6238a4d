/**
 * Who asks for the halves of a card that only stores them (storage-card.ts): the buyer's computer, with a certificate of the role purse
 * and its keys. It signs and seals the request (EP 0 833 285 A2 fig. 2, steps 102-108), opens the share (fig. 6), makes the halves
 * from the seed and puts them on the card; and closes it (fig. 10).
 *
 * The seed is in a file before the request is sent: who loses the answer asks the same again, and is given the same purse.
 */

import { open, readFile, rename, rm } from "node:fs/promises";
import { HALF_BYTES, SCHEME_SECRET, SCHEME_SOURCE } from "../../firmware/protocol/tokens.js";
import { equalBytes } from "../codec/bytes.js";
import { decode, encode } from "../codec/cbor.js";
import { type Certificate, decodeChain, readCertificate } from "../codec/certificate.js";
import { CodecError } from "../codec/errors.js";
import { asArray, asBytes, Fields } from "../codec/read.js";
import type { Signer } from "../codec/signer.js";
import { ed25519Signer, wipe } from "../crypto.js";
import { type RandomSource, randomBytes } from "../randomness.js";
import { openBulk, sealBulk } from "./bulk.js";
import { buyerHalves, halfKey } from "./derive.js";
import { TokenError } from "./errors.js";
import { sealClose, signClose } from "./messages/closing.js";
import { PROLOGUE } from "./messages/common.js";
import { openShare, type PurseShare, verifyShare } from "./messages/purses.js";
import { encodeOuter, type JointPurse, readRequest, sealRequest, signRequest } from "./messages/request.js";
import { encodePresented } from "./messages/words.js";
import type { BuyerPurse } from "./parties.js";
import { StorageCard, StorageCardError } from "./storage-card.js";
import { type PurseTerms, tokenCount } from "./terms.js";

export interface SoftwareIdentityParts {
  /** Role purse, in the agents' tree. */
  readonly chain: Uint8Array;
  /** Ed25519, 32 bytes. */
  readonly signatureSeed: Uint8Array;
  /** X25519, 32 bytes. */
  readonly agreementSecret: Uint8Array;
  readonly random: RandomSource;
}

/** Tokens to be asked for; the issuer is in `issuerChain`. */
export interface CardOrder extends Omit<PurseTerms, "issuer" | "scheme"> {
  /** SCHEME_SECRET, or SCHEME_SOURCE; without it the first. */
  readonly scheme?: number;
  readonly issuerChain: Uint8Array;
  /** The purse that this one replaces. */
  readonly flushes?: Uint8Array;
  readonly joint?: JointPurse;
}

export class SoftwareIdentity {
  readonly id: Uint8Array;
  readonly #parts: SoftwareIdentityParts;
  readonly #signer: Signer;

  constructor(parts: SoftwareIdentityParts) {
    this.#parts = parts;
    this.#signer = ed25519Signer(parts.signatureSeed);
    this.id = readCertificate(decodeChain(parts.chain).device).id;
  }

  /** Begins a card: its request is in `file`.request from then on. The message is for the seller, or sealed for the issuer itself. */
  async ask(file: string, order: CardOrder, now_seconds: number): Promise<{ outer: Uint8Array; sealed: Uint8Array }> {
    const { flushes = null, issuerChain, joint = null, ...terms } = order;
    const { random } = this.#parts;
    const request = {
      ...terms,
      issuer: issuerOf(issuerChain).id,
      scheme: terms.scheme ?? SCHEME_SECRET,
      nonce: randomBytes(random, 16),
      buyer: this.id,
      flushes,
      joint,
      seed: randomBytes(random, 32),
      time_seconds: now_seconds,
    };
    const signed = signRequest(request, this.#signer);
    const handle = await open(`${file}.request.new`, "w", 0o600);
    try {
      await handle.writeFile(encode([signed, issuerChain]));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(`${file}.request.new`, `${file}.request`);
    return this.#messages(signed, issuerChain);
  }

  /** The same request, sealed anew. */
  async repeat(file: string): Promise<{ outer: Uint8Array; sealed: Uint8Array }> {
    const { issuerChain, signed } = await pendingRequest(file);
    return this.#messages(signed, issuerChain);
  }

  #messages(signed: Uint8Array, issuerChain: Uint8Array) {
    const { agreementKey, id } = issuerOf(issuerChain);
    const { chain, random } = this.#parts;
    const sealed = sealRequest(signed, chain, {
      remoteStatic: agreementKey,
      random: (length) => randomBytes(random, length),
    });
    return { outer: encodeOuter({ issuer: id, sealed }), sealed };
  }

  /** Takes the share that answers the request: the card is there when this resolves. A card of this purse stays as far as it is spent. */
  async install(file: string, { halves, share: sealedShare }: BuyerPurse): Promise<void> {
    const { issuerChain, signed } = await pendingRequest(file);
    const request = readRequest(signed);
    const issuer = issuerOf(issuerChain);
    const share = verifyShare(
      openShare(sealedShare, { staticPrivate: this.#parts.agreementSecret }),
      issuer.signatureKey,
    );
    const isAnswer = equalBytes(share.nonce, request.nonce) && equalBytes(share.buyer, this.id);
    if (!isAnswer || !equalBytes(share.issuer, issuer.id) || !equalBytes(share.seller, request.seller))
      throw new TokenError(
        "not-authentic",
        "The share answers another request. The card was not written. Ask for it again.",
      );
    if (!(await isCardOf(file, share.purse))) {
      const made = halves === null ? halvesOf(share, request.seed) : this.#openHalves(share, halves);
      await StorageCard.create(file, share, made);
      wipe(made);
    }
    await rm(`${file}.request`);
  }

  /** In the source's scheme the issuer has made them. */
  #openHalves(share: PurseShare, sealed: Uint8Array): Uint8Array {
    const options = { staticPrivate: this.#parts.agreementSecret, prologue: PROLOGUE.halves };
    const fields = Fields.decode(openBulk(options, sealed), "halves of a buyer", 2);
    if (!equalBytes(fields.id("purse"), share.purse)) throw new CodecError("halves of a buyer: of another purse");
    return fields.bytes("halves", 1, Number.MAX_SAFE_INTEGER).slice();
  }

  /** Ends a card, and says how far it was spent: a sealed close for the issuer, in the source's scheme with the halves that are left. */
  async close(
    card: StorageCard,
    issuerChain: Uint8Array,
  ): Promise<{ close: Uint8Array; halves: Uint8Array | undefined }> {
    const spent = await card.end();
    const { agreementKey } = issuerOf(issuerChain);
    const signed = signClose({ purse: card.terms.purse, buyer: this.id, spent }, this.#signer);
    const sealing = { remoteStatic: agreementKey, random: (length: number) => randomBytes(this.#parts.random, length) };
    const close = sealClose(signed, sealing);
    if (card.terms.scheme !== SCHEME_SOURCE) return { close, halves: undefined };
    const { halves: secrets, ranges } = await card.unspent();
    return { close, halves: sealBulk({ ...sealing, prologue: PROLOGUE.halves }, encodePresented({ ranges, secrets })) };
  }
}

async function pendingRequest(file: string): Promise<{ signed: Uint8Array; issuerChain: Uint8Array }> {
  const [signed, issuerChain] = asArray(decode(new Uint8Array(await readFile(`${file}.request`))), "request", 2);
  if (signed === undefined || issuerChain === undefined) throw new CodecError("request: cut off");
  return { signed: asBytes(signed, "request", 1, 4_096), issuerChain: asBytes(issuerChain, "chain", 1, 4_096) };
}

function halvesOf(share: PurseShare, seed: Uint8Array): Uint8Array {
  const tokens = tokenCount(share.denominations);
  const halves = new Uint8Array(HALF_BYTES * tokens);
  const made = buyerHalves(halfKey(seed), share.purse);
  for (let serial = 0; serial < tokens; serial++) halves.set(made.of(serial), serial * HALF_BYTES);
  return halves;
}

/** After a crash the card may be there, and have been spent from, and its request still too. */
async function isCardOf(file: string, purse: Uint8Array): Promise<boolean> {
  try {
    const card = await StorageCard.open(file);
    await card.close();
    return equalBytes(card.terms.purse, purse);
  } catch (error) {
    if (error instanceof StorageCardError || (error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function issuerOf(chain: Uint8Array): Certificate {
  return readCertificate(decodeChain(chain).device);
}
