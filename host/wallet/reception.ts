/**
 * A wallet that waits to be paid: it listens for lines of other wallets, takes one payment after the other, and answers
 * payers that come back to settle what broke off. Point of sale: the payee states the amount first.
 */

import { EventEmitter } from "node:events";
import { OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { receive, request } from "../applications/receive.js";
import { answerResume, type Settlement } from "../applications/resume.js";
import { memoBytes, type Transfer, TransferInDoubtError } from "../applications/transfer.js";
import { asError } from "../as-error.js";
import { toHex } from "../codec/bytes.js";
import { checkPublic, publicAddress } from "../communications/address.js";
import { Callers } from "../communications/callers.js";
import type { PeerLink } from "../communications/link.js";
import { LineServer } from "../communications/server.js";
import type { Device } from "../device.js";
import { encodePaymentRequest, type PaymentRequest } from "../payment-request.js";
import { type RandomSource, randomBytes } from "../randomness.js";
import type { Money } from "../units.js";
import type { Contacts } from "./contacts.js";
import type { Turns } from "./turns.js";

export interface ReceptionOptions {
  /** What is asked for: this and nothing else is taken, once. Undefined: whatever a payer offers, as often as one does. */
  readonly money?: Money;
  readonly memo?: string;
  /** Interface and port to listen at; by default loopback, and any port that is free. */
  readonly host?: string;
  readonly port?: number;
  /** Where payers find it, if not at the interface's own address. */
  readonly publicUrl?: string;
}

export interface ReceptionParts extends ReceptionOptions {
  readonly device: Device;
  readonly contacts: Contacts;
  /** What else is done with the device. */
  readonly turns: Turns;
  readonly random: RandomSource;
  readonly announce?: (url: string | undefined) => void;
}

export interface ReceptionEvents {
  /** Money arrived and can be spent. */
  paid: [Transfer];
  /** A payer came, and no money moved. */
  refused: [Error];
  /** The connection broke at the last step: nobody knows until the payer comes back. */
  doubt: [TransferInDoubtError];
  /** A payer came back; what was open with it is settled. */
  settled: [Settlement];
  /** Something failed here that is no payer's fault; what the chip did stands. */
  fault: [Error];
}

/** Nobody waits any more for the payment. */
export class ReceptionClosedError extends Error {
  constructor() {
    super("This wallet does not wait for the payment any more, and none has come. No money moved.");
    this.name = "ReceptionClosedError";
  }
}

const PAY = "pay";
const RESUME = "resume";
const REFERENCE_BYTES = 8;

export class Reception extends EventEmitter<ReceptionEvents> {
  /** Where payers connect. */
  readonly address: string;
  /** What a payer's wallet is given, as text or QR code; undefined where no amount is asked for. */
  readonly request: PaymentRequest | undefined;
  /** The first payment; rejects when the reception is closed before. */
  readonly paid: Promise<Transfer>;
  readonly #parts: ReceptionParts;
  readonly #server: LineServer;
  /** Payers that are being served. */
  readonly #under = new Set<Promise<void>>();
  #over = false;
  #isClosing = false;
  #giveUp: () => void = () => undefined;
  /** By pay-id: any of them may turn out to be a payment. */
  readonly #doubts = new Map<string, TransferInDoubtError>();

  private constructor(parts: ReceptionParts, server: LineServer) {
    super();
    this.#parts = parts;
    this.#server = server;
    this.address = publicAddress(server.url, parts.publicUrl);
    this.request = requestOf(parts, this.address);
    this.paid = new Promise((resolve, reject) => {
      this.once("paid", resolve);
      this.#giveUp = () => reject(new ReceptionClosedError());
    });
    this.paid.catch(() => undefined); // Whoever does not wait for it need not handle it.
  }

  static async open(parts: ReceptionParts): Promise<Reception> {
    checkPublic(parts);
    let reception: Reception | undefined;
    const { timers } = parts.device.parts;
    const callers = new Callers(timers);
    const server = await LineServer.open({
      host: parts.host ?? "127.0.0.1",
      port: parts.port ?? 0,
      purposes: [PAY, RESUME],
      timers,
      random: parts.random,
      hasRoom: (_purpose, _query, address) => callers.hasRoom(address),
      onLine: (line, purpose, _query, address) =>
        callers.serve(line, address, (link) =>
          reception === undefined ? link.close() : reception.#take(link, purpose),
        ),
    });
    reception = new Reception(parts, server);
    parts.announce?.(server.url);
    return reception;
  }

  /** The payment request as text: `tally:pay?...`. */
  get uri(): string | undefined {
    return this.request === undefined ? undefined : encodePaymentRequest(this.request);
  }

  /** Stops listening; what is under way is done first. */
  async close(): Promise<void> {
    if (!this.#isClosing) this.#parts.announce?.(undefined);
    this.#isClosing = true;
    this.#over = true;
    while (this.#under.size > 0) await Promise.all(this.#under);
    await this.#server.close();
    this.#giveUp();
  }

  /** One payer after the other: a module is in one transaction at a time. */
  async #take(link: PeerLink, purpose: string): Promise<void> {
    if (this.#isClosing) return link.close();
    const { turns } = this.#parts;
    const work = turns
      .take(() => (purpose === RESUME ? this.#settle(link) : this.#receive(link)))
      .catch((error) => {
        link.close();
        this.emit("fault", asError(error));
      });
    this.#under.add(work);
    await work.finally(() => this.#under.delete(work));
  }

  async #receive(link: PeerLink): Promise<void> {
    if (this.#over) return link.close();
    const { contacts, device } = this.#parts;
    contacts.begin(undefined, await device.module.pending());
    const result = await this.#transfer(link).catch(asError);
    contacts.settle(await device.module.pending());
    if (result instanceof TransferInDoubtError) {
      this.#doubts.set(toHex(result.payId), result);
      this.emit("doubt", result);
    } else if (result instanceof Error) this.emit("refused", result);
    else this.#received(result);
  }

  #transfer(link: PeerLink): Promise<Transfer> {
    const { device, money, memo } = this.#parts;
    // A request is paid once: nobody pays what somebody may have paid already, as long as that is in doubt.
    return money === undefined
      ? receive(device, link)
      : request(device, link, money, memo, () => this.#doubts.size === 0);
  }

  #received(transfer: Transfer): void {
    if (this.#parts.money !== undefined) this.#over = true;
    this.emit("paid", transfer);
  }

  async #settle(link: PeerLink): Promise<void> {
    const { device, contacts } = this.#parts;
    const result = await answerResume(device, link).catch(asError);
    contacts.settle(await device.module.pending());
    if (result instanceof Error) this.emit("refused", result);
    else this.emit("settled", result);
    await this.#cleared();
  }

  /** What was in doubt may have turned out to be a payment. */
  async #cleared(): Promise<void> {
    const { module } = this.#parts.device;
    const open = (await module.pending()).filter(({ state }) => state === "in doubt").map(({ payId }) => toHex(payId));
    const over = [...this.#doubts].filter(([payId]) => !open.includes(payId));
    if (over.length === 0) return;
    const committed = (await module.log()).filter(({ outcome }) => outcome === OUTCOME_COMMITTED);
    const memo = this.#parts.money === undefined ? null : memoBytes(this.#parts.memo);
    for (const [id, { payId, peer, money }] of over) {
      this.#doubts.delete(id);
      const isPaid = committed.some((entry) => toHex(entry.payId) === id);
      if (isPaid) this.#received({ payId, peer, money, memo, confirmed: true });
    }
  }
}

function requestOf({ money, memo, device, random }: ReceptionParts, address: string): PaymentRequest | undefined {
  if (money === undefined) return undefined;
  const reference = toHex(randomBytes(random, REFERENCE_BYTES));
  return { address, payee: device.module.id, money, reference, ...(memo === undefined ? {} : { memo }) };
}
