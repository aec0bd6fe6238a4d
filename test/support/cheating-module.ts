/**
 * A money module that cheats: certified like any other, with every key in the test's hands. It speaks the protocol of
 * docs/PROTOCOLS.md, section 5, message by message, to a real element, and says whatever the test wants it to say. Payer
 * or payee, initiator or responder, subscriber, teller or generator.
 */

import * as p from "../../firmware/protocol/apdu.js";
import { PROTOCOL_SPOKEN, PURPOSE_TRANSACTION, ROLE_TRANSACTION, TREE_MODULES } from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import { REASON_REPEAT } from "../../firmware/protocol/reasons.js";
import type { Agency } from "../../host/agencies.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { decodeChain, encodeChain } from "../../host/codec/certificate.js";
import { NoiseError, Session } from "../../host/codec/noise.js";
import type { NoteSigner } from "../../host/codec/note.js";
import type { Signer } from "../../host/codec/signer.js";
import { ed25519Signer, type KeyPair, x25519KeyPair } from "../../host/crypto.js";
import type { Element } from "../../host/element.js";
import { type Notice, readNotice } from "../../host/notices.js";
import { type RandomSource, randomBytes } from "../../host/randomness.js";
import type { Money } from "../../host/units.js";
import { boundTo } from "./bound-locks.js";

const LABEL = new TextEncoder().encode("tallystick");
const PROLOGUE_VERSION = 1;
const HEADER_BYTES = 2;

/** What an element made of an envelope: the status word, and everything it had to say. */
export interface Reply {
  readonly status: number;
  /** Envelopes as they came: address, kind, body. */
  readonly envelopes: readonly Uint8Array[];
  readonly notices: readonly Notice[];
  /** Bodies of the envelopes for the peer. */
  readonly toPeer: readonly { readonly kind: number; readonly body: Uint8Array }[];
}

/** Delivers an envelope as a host would, and takes what comes; no status word is thrown. */
export async function deliver(element: Element, envelope: Uint8Array): Promise<Reply> {
  const sent = await element.client.exchange({ cla: p.CLA_OWN, ins: p.INS_ENVELOPE, p1: 0, p2: 0, data: envelope });
  const envelopes: Uint8Array[] = [];
  let { status } = sent;
  while ((status & 0xff00) === p.SW_FETCH) {
    const command = { cla: p.CLA_OWN, ins: p.INS_FETCH, p1: 0, p2: 0, answerBytesMax: 65_536 };
    const fetched = await element.client.exchange(command);
    envelopes.push(fetched.data.slice());
    status = fetched.status;
  }
  const to = (address: number) => envelopes.filter((each) => each[0] === address);
  return {
    status: sent.status,
    envelopes,
    notices: to(m.ADDRESS_HOST).map((each) => readNotice(each.subarray(HEADER_BYTES))),
    toPeer: to(m.ADDRESS_PEER).map((each) => ({ kind: each[1] ?? 0, body: each.subarray(HEADER_BYTES) })),
  };
}

/** Reason of the abort among the notices; undefined when there is none. */
export function abortReason(reply: Reply): number | undefined {
  const notice = reply.notices.find((each) => each.name === "aborted");
  return notice?.name === "aborted" ? notice.reason : undefined;
}

export function noticeNames(reply: Reply): string[] {
  return reply.notices.map((each) => each.name);
}

export interface CheatingParts {
  /** The agency that certifies it. */
  readonly agency: Agency;
  readonly random: RandomSource;
  /** Date of its certificate, and the date that it tells. */
  readonly now_seconds: number;
  readonly role?: number;
  readonly id?: Uint8Array;
  /** Instead of the agency's chain. */
  readonly chain?: (keys: {
    id: Uint8Array;
    role: number;
    signatureKey: Uint8Array;
    agreementKey: Uint8Array;
  }) => Uint8Array;
}

export class CheatingModule {
  readonly id: Uint8Array;
  readonly role: number;
  readonly signer: Signer;
  readonly agreement: KeyPair;
  readonly chain: Uint8Array;
  readonly random: RandomSource;
  now_seconds: number;
  /** Version of the bad-id list that it tells. */
  listVersion = 0;
  /** What it says in LIST, when the other end told another version. */
  list: CborValue = null;

  constructor(parts: CheatingParts) {
    this.random = parts.random;
    this.now_seconds = parts.now_seconds;
    this.id = parts.id ?? randomBytes(parts.random, 16);
    this.role = parts.role ?? ROLE_TRANSACTION;
    this.signer = ed25519Signer(randomBytes(parts.random, 32));
    this.agreement = x25519KeyPair(randomBytes(parts.random, 32));
    const keys = {
      id: this.id,
      role: this.role,
      signatureKey: this.signer.publicKey,
      agreementKey: this.agreement.publicKey,
    };
    this.chain = parts.chain?.(keys) ?? parts.agency.issue(keys, parts.now_seconds);
  }

  /** As a maker of notes and transfers. */
  get noteSigner(): NoteSigner {
    const { device, server } = decodeChain(this.chain);
    return { id: this.id, certificate: device, server, signer: this.signer };
  }

  /** The same module with another chain or date to tell. */
  telling(change: { chain?: Uint8Array; now_seconds?: number }): CheatingModule {
    return Object.assign(Object.create(CheatingModule.prototype) as CheatingModule, this, change);
  }

  /** A chain of this module's certificate and another security server's. */
  chainWith(server: Uint8Array): Uint8Array {
    return encodeChain(decodeChain(this.chain).device, server);
  }
}

/** One session of a cheating module with an element, whose host the test plays too. */
export class CheatingSession {
  readonly #victim: Element;
  readonly #self: CheatingModule;
  readonly #purpose: number;
  readonly #noise: Session;
  readonly #initiator: boolean;
  readonly #heard = new WeakMap<Reply, CborValue[][]>();
  #victimListVersion: CborValue = 0;

  constructor(self: CheatingModule, victim: Element, initiator: boolean, purpose = PURPOSE_TRANSACTION) {
    this.#self = self;
    this.#victim = victim;
    this.#purpose = purpose;
    this.#initiator = initiator;
    this.#noise = new Session({
      initiator,
      prologue: concatBytes(LABEL, Uint8Array.of(PROLOGUE_VERSION, TREE_MODULES, purpose)),
      staticPrivate: self.agreement.secretKey,
      random: (length) => randomBytes(self.random, length),
    });
  }

  /** Pay-id of a payment in this session. */
  get hash(): Uint8Array {
    return this.#noise.hash;
  }

  /**
   * As initiator, to an element that listens: message 1 and 3. The answer to the last one sent; `acknowledge` is in it, or
   * what was refused.
   */
  async initiate(): Promise<Reply> {
    const second = await this.initiateFirst();
    if (second !== undefined) return second;
    const third = await this.initiateLast();
    if (!this.heard(third).some((message) => message[0] === m.MODULE_LIST)) return third;
    const listed = await this.say(m.MODULE_LIST, this.#self.list);
    const both = { ...listed, notices: [...third.notices, ...listed.notices] };
    this.#heard.set(both, this.heard(listed));
    return both;
  }

  /** Message 1 and the answer to it; what came instead of message 2, if that did not come. */
  async initiateFirst(): Promise<Reply | undefined> {
    if (!this.#initiator) throw new Error("a responder waits for the element's first message");
    const second = await this.handshake(1, this.#noise.write(new Uint8Array(0)));
    const answer = second.toPeer.find((each) => each.kind === m.KIND_HANDSHAKE);
    if (answer === undefined) return second;
    this.#readPayload(answer.body);
    return undefined;
  }

  /** Message 3. */
  initiateLast(): Promise<Reply> {
    return this.handshake(3, this.#noise.write(this.payload(true)));
  }

  /**
   * As responder, to an element whose host's order was answered by `first`: message 2, LIST where one is due, then the bare
   * acknowledgement.
   */
  async respond(first: Reply, acknowledge: readonly CborValue[] = [null, null, null]): Promise<Reply> {
    const third = await this.respondHandshake(first);
    if (this.#noise.state !== "open") return third;
    if (this.#victimListVersion !== this.#self.listVersion) {
      const listed = await this.say(m.MODULE_LIST, this.#self.list);
      if (!this.heard(listed).some((message) => message[0] === m.MODULE_LIST)) return listed;
    }
    return this.say(m.MODULE_ACKNOWLEDGE, this.#self.now_seconds, ...acknowledge);
  }

  /** The handshake alone: the element's message 3 is in the answer, or what it refused. */
  async respondHandshake(first: Reply): Promise<Reply> {
    const message = first.toPeer.find((each) => each.kind === m.KIND_HANDSHAKE);
    if (message === undefined) return first;
    this.#noise.read(message.body.subarray(HEADER_BYTES));
    const third = await this.handshake(2, this.#noise.write(this.payload(false)));
    const answer = third.toPeer.find((each) => each.kind === m.KIND_HANDSHAKE);
    if (answer !== undefined) this.#readPayload(answer.body);
    return third;
  }

  #readPayload(body: Uint8Array): void {
    const payload = decode(this.#noise.read(body.subarray(HEADER_BYTES))) as CborValue[];
    this.#victimListVersion = payload[3] ?? 0;
  }

  payload(last: boolean): Uint8Array {
    const said: CborValue[] = [PROTOCOL_SPOKEN, this.#self.chain, this.#self.now_seconds, this.#self.listVersion];
    return encode(last ? [...said, null] : said);
  }

  handshake(step: number, message: Uint8Array): Promise<Reply> {
    return this.raw(m.KIND_HANDSHAKE, concatBytes(Uint8Array.of(this.#purpose, step), message));
  }

  /** An envelope of the peer, with any body. */
  async raw(kind: number, body: Uint8Array): Promise<Reply> {
    const reply = await deliver(this.#victim, concatBytes(Uint8Array.of(m.ADDRESS_PEER, kind), body));
    this.heard(reply);
    return reply;
  }

  /** A message under the session's key. */
  say(...message: CborValue[]): Promise<Reply> {
    return this.sayBytes(encode(message));
  }

  /** Whatever bytes, sealed. */
  sayBytes(plain: Uint8Array): Promise<Reply> {
    return this.raw(m.KIND_SEALED, this.seal(plain));
  }

  seal(plain: Uint8Array): Uint8Array {
    return this.#noise.seal(plain);
  }

  /**
   * What the element said under the session's key, each message an array; nothing for what it only repeats. A reply to the
   * element's own host is to be given here before the next message.
   */
  heard(reply: Reply): CborValue[][] {
    const known = this.#heard.get(reply);
    if (known !== undefined) return known;
    const sealed = reply.toPeer.filter((each) => each.kind === m.KIND_SEALED && this.#noise.state === "open");
    const messages = sealed.flatMap((each) => this.#open(each.body));
    this.#heard.set(reply, messages);
    return messages;
  }

  #open(body: Uint8Array): CborValue[][] {
    try {
      return [decode(this.#noise.open(body)) as CborValue[]];
    } catch (error) {
      if (error instanceof NoiseError && error.reason === REASON_REPEAT) return [];
      throw error;
    }
  }

  // The payer's words, to a payee.

  propose(money: Money, memo: Uint8Array | null = null): Promise<Reply> {
    return this.say(m.MODULE_PROPOSE, money.amount, money.unit.currency, money.unit.exponent, memo);
  }

  note(index: number, count: number, note: Uint8Array): Promise<Reply> {
    return this.say(m.MODULE_NOTE, index, count, this.locked(note));
  }

  /** A note that was composed before, locked for this session. */
  locked(note: Uint8Array): Uint8Array {
    return boundTo(this.hash, note);
  }

  key(key: Uint8Array): Promise<Reply> {
    return this.say(m.MODULE_KEY, key);
  }

  // The payee's words, to a payer.

  correct(): Promise<Reply> {
    return this.say(m.MODULE_AMOUNT_CORRECT);
  }

  next(index: number): Promise<Reply> {
    return this.say(m.MODULE_NEXT, index);
  }

  ready(): Promise<Reply> {
    return this.say(m.MODULE_READY);
  }

  confirm(): Promise<Reply> {
    return this.say(m.MODULE_CONFIRM);
  }
}
