/**
 * A merchant's agent that says what a test wants it to: with genuine keys and certificates, in TypeScript instead of a chip.
 * It answers the customer's agent on a link, message by message, honestly wherever the test does not say otherwise.
 */

import {
  PROTOCOL_SPOKEN,
  PURPOSE_TRANSACTION,
  ROLE_AUTHORITY,
  ROLE_MERCHANT,
  TREE_AGENTS,
} from "../../firmware/protocol/kinds.js";
import * as m from "../../firmware/protocol/messages.js";
import { concatBytes } from "../../host/codec/bytes.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { Session } from "../../host/codec/noise.js";
import type { Receipt } from "../../host/codec/receipt.js";
import { issueTicket, readTicket, type TicketDraft, type TicketSender } from "../../host/codec/ticket.js";
import type { PeerLink } from "../../host/communications/link.js";
import { ed25519Signer, x25519KeyPair } from "../../host/crypto.js";
import { type AgentWorld, NOW } from "./agents.js";

const YEAR = 31_536_000;
const PROLOGUE = concatBytes(
  new TextEncoder().encode("tallystick"),
  Uint8Array.of(1, TREE_AGENTS, PURPOSE_TRANSACTION),
);

/** What it does otherwise than an honest merchant. */
export interface Lies {
  /** Instead of its genuine chain, in the handshake. */
  readonly chain?: (cheat: CheatingMerchant) => Uint8Array;
  readonly credential?: (honest: Uint8Array, cheat: CheatingMerchant) => Uint8Array;
  readonly receipt?: Partial<Receipt>;
  readonly draft?: Partial<TicketDraft>;
  /** Who signs the receipt. */
  readonly issuer?: TicketSender;
  /** Instead of the honest answer to the message of this number. */
  readonly answers?: ReadonlyMap<number, (cheat: CheatingMerchant) => readonly CborValue[] | undefined>;
}

export class CheatingMerchant {
  readonly self: TicketSender;
  readonly registry: TicketSender;
  /** Numbers of the customer's messages, in order; with an abort its reason. */
  readonly heard: number[] = [];
  abortReason: number | undefined;
  session: Session | undefined;
  #terms: { type: number; amount: bigint; unit: { currency: number; exponent: number } } | undefined;
  #card: ReturnType<typeof readTicket> | undefined;
  readonly #agreement = new Uint8Array(32).fill(0x42);
  readonly #link: PeerLink;
  readonly #lies: Lies;

  constructor(world: AgentWorld, link: PeerLink, lies: Lies) {
    this.#link = link;
    this.#lies = lies;
    this.self = this.agent(world, 0x31, ROLE_MERCHANT);
    this.registry = this.agent(world, 0x32, ROLE_AUTHORITY, "Registry");
    link.onMessage((message) => this.#take(message));
  }

  /** Its X25519 key, which its certificate has to name. */
  get agreementKey(): Uint8Array {
    return x25519KeyPair(this.#agreement).publicKey;
  }

  /** An agent with a certificate of this world. */
  agent(world: AgentWorld, fill: number, role: number, name?: string): TicketSender {
    const signer = ed25519Signer(new Uint8Array(32).fill(fill));
    const id = new Uint8Array(16).fill(fill);
    const subject = { id, role, signatureKey: signer.publicKey, agreementKey: this.agreementKey };
    return { id, signer, chain: world.agencies.agents.issue(subject, NOW, name) };
  }

  /** A merchant credential, as the registry would give it. */
  credential(change: Partial<TicketDraft> = {}, issuer = this.registry): Uint8Array {
    const draft: TicketDraft = {
      type: m.TICKET_MERCHANT_CREDENTIAL,
      issuerName: "Registry",
      issuerExpiry: NOW + YEAR,
      receiver: this.self.id,
      receiverExpiry: NOW + YEAR,
      components: { kind: "credential", credential: { name: "Honest Shop", expiry: NOW + YEAR } },
      date: NOW,
      ...change,
    };
    return issueTicket(draft, issuer);
  }

  send(message: readonly CborValue[]): void {
    if (this.session === undefined) throw new Error("no session yet");
    this.#link.send(concatBytes(Uint8Array.of(m.ADDRESS_AGENT, m.KIND_SEALED), this.session.seal(encode(message))));
  }

  #take(envelope: Uint8Array): void {
    const body = envelope.subarray(2);
    if (envelope[1] === m.KIND_HANDSHAKE) this.#handshake(body);
    else if (envelope[1] === m.KIND_SEALED) this.#sealed(body);
  }

  #handshake(body: Uint8Array): void {
    this.session ??= new Session({
      initiator: false,
      prologue: PROLOGUE,
      staticPrivate: this.#agreement,
      random: (length) => new Uint8Array(length).fill(0x17),
    });
    this.session.read(body.subarray(2));
    if (body[1] === 3) {
      this.send([m.AGENT_ACKNOWLEDGE, NOW]);
      return;
    }
    const chain = this.#lies.chain?.(this) ?? this.self.chain;
    const hello = this.session.write(encode([PROTOCOL_SPOKEN, chain, NOW, 0]));
    const head = Uint8Array.of(m.ADDRESS_AGENT, m.KIND_HANDSHAKE, PURPOSE_TRANSACTION, 2);
    this.#link.send(concatBytes(head, hello));
  }

  #sealed(body: Uint8Array): void {
    if (this.session === undefined) return;
    let plain: Uint8Array;
    try {
      plain = this.session.open(body);
    } catch {
      return; // a repeat: this one has nothing to add
    }
    const message = decode(plain) as readonly CborValue[];
    const number = Number(message[0]);
    this.heard.push(number);
    if (number === m.AGENT_ABORT) this.abortReason = Number(message[1]);
    this.#note(number, message);
    const lie = this.#lies.answers?.get(number);
    const answer = lie === undefined ? this.#honest(number) : lie(this);
    if (answer !== undefined) this.send(answer);
  }

  #note(number: number, message: readonly CborValue[]): void {
    if (number === m.AGENT_CARD) this.#card = readTicket(message[1] as Uint8Array);
    if (number !== m.AGENT_AMOUNT) return;
    const [, type, amount, currency, exponent] = message.map(Number) as [number, number, number, number, number];
    this.#terms = { type, amount: BigInt(amount), unit: { currency, exponent } };
  }

  #honest(number: number): readonly CborValue[] | undefined {
    switch (number) {
      case m.AGENT_REQUEST_CREDENTIAL: {
        const honest = this.credential();
        return [m.AGENT_CREDENTIAL, this.#lies.credential?.(honest, this) ?? honest];
      }
      case m.AGENT_AMOUNT:
        return [m.AGENT_REQUEST_CARD];
      case m.AGENT_CARD:
        return [m.AGENT_RECEIPT, this.receipt()];
      default:
        return undefined;
    }
  }

  /** The receipt that was agreed on, but for what the test changes, or this. */
  receipt(change: Partial<Receipt> = {}): Uint8Array {
    const terms = this.#terms;
    const components = this.#card?.components;
    if (terms === undefined || components?.kind !== "card") throw new Error("nothing is agreed on yet");
    const purchase = terms.type === m.TYPE_PURCHASE;
    const receipt: Receipt = {
      bank: components.card.bank,
      account: components.card.account,
      type: terms.type,
      authorization: purchase ? terms.amount + 50n : terms.amount - 50n,
      accountUnit: terms.unit,
      amount: terms.amount,
      unit: terms.unit,
      fee: 50n,
      rate: { numerator: 1, denominator: 1 },
      date: NOW,
      session: this.session?.hash ?? new Uint8Array(32),
      ...this.#lies.receipt,
      ...change,
    };
    const draft: TicketDraft = {
      type: m.TICKET_RECEIPT,
      issuerName: "Honest Shop",
      issuerExpiry: NOW + YEAR,
      receiver: this.#card?.transfers.at(-1)?.receiver ?? new Uint8Array(16),
      receiverExpiry: NOW + YEAR,
      components: { kind: "receipt", receipt },
      date: NOW,
      ...this.#lies.draft,
    };
    return issueTicket(draft, this.#lies.issuer ?? this.self);
  }
}
