/**
 * A wallet that waits to be paid: it listens for lines of other wallets, takes one payment after the other, and answers
 * payers that come back to settle what broke off. Point of sale: the payee states the amount first.
 */

import { EventEmitter } from "node:events";
import { OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { receive, request } from "../applications/receive.js";
import { answerResume, type Settlement } from "../applications/resume.js";
import { type Transfer, TransferInDoubtError } from "../applications/transfer.js";
import { equalBytes, toHex } from "../codec/bytes.js";
import type { PeerLink } from "../communications/link.js";
import { LineServer } from "../communications/server.js";
import type { Device } from "../device.js";
import { encodePaymentRequest, type PaymentRequest } from "../payment-request.js";
import { type RandomSource, randomBytes } from "../randomness.js";
import type { Money } from "../units.js";
import type { Contacts } from "./contacts.js";

export interface ReceptionOptions {
  /** What is asked for: this and nothing else is taken, once. Undefined: whatever a payer offers, as often as one does. */
  readonly money?: Money;
  readonly memo?: string;
  /** Interface and port to listen at; by default loopback, and any port that is free. */
  readonly host?: string;
  readonly port?: number;
  /** Host name or address under which the payer finds this one, where it is not the interface's own. */
  readonly publicHost?: string;
}

export interface ReceptionParts extends ReceptionOptions {
  readonly device: Device;
  readonly contacts: Contacts;
  readonly random: RandomSource;
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
  #turn: Promise<void> = Promise.resolve();
  #over = false;
  #giveUp: () => void = () => undefined;
  #doubt: TransferInDoubtError | undefined;

  private constructor(parts: ReceptionParts, server: LineServer) {
    super();
    this.#parts = parts;
    this.#server = server;
    this.address = addressOf(server.url, parts.publicHost);
    this.request = requestOf(parts, this.address);
    this.paid = new Promise((resolve, reject) => {
      this.once("paid", resolve);
      this.#giveUp = () => reject(new ReceptionClosedError());
    });
    this.paid.catch(() => undefined); // Whoever does not wait for it need not handle it.
  }

  static async open(parts: ReceptionParts): Promise<Reception> {
    let reception: Reception | undefined;
    const { timers } = parts.device.parts;
    const server = await LineServer.open({
      host: parts.host ?? "127.0.0.1",
      port: parts.port ?? 0,
      purposes: [PAY, RESUME],
      timers,
      random: parts.random,
      // A line that comes before the reception exists would wait for nobody: it is told to come again.
      onLine: (line, purpose) => (reception === undefined ? line.close() : reception.#take(line, purpose)),
    });
    reception = new Reception(parts, server);
    return reception;
  }

  /** The payment request as text: `tally:pay?...`. */
  get uri(): string | undefined {
    return this.request === undefined ? undefined : encodePaymentRequest(this.request);
  }

  /** Stops listening; what is under way is done first. */
  async close(): Promise<void> {
    this.#over = true;
    await this.#turn;
    await this.#server.close();
    this.#giveUp();
  }

  /** One payer after the other: a module is in one transaction at a time. */
  #take(line: PeerLink, purpose: string): void {
    this.#turn = this.#turn.then(() => (purpose === RESUME ? this.#settle(line) : this.#receive(line)));
  }

  async #receive(line: PeerLink): Promise<void> {
    const { device, money, memo, contacts } = this.#parts;
    if (this.#over) return line.close();
    try {
      const transfer = money === undefined ? await receive(device, line) : await request(device, line, money, memo);
      this.#received(transfer);
    } catch (error) {
      if (error instanceof TransferInDoubtError) {
        this.#doubt = error;
        this.emit("doubt", error);
      } else this.emit("refused", error instanceof Error ? error : new Error(String(error)));
    }
    contacts.settle(await device.module.pending());
  }

  #received(transfer: Transfer): void {
    if (this.#parts.money !== undefined) this.#over = true;
    this.emit("paid", transfer);
  }

  async #settle(line: PeerLink): Promise<void> {
    const { device } = this.#parts;
    try {
      const settlement = await answerResume(device, line);
      this.emit("settled", settlement);
      await this.#cleared();
    } catch (error) {
      this.emit("refused", error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What was in doubt may have turned out to be the payment that is waited for. */
  async #cleared(): Promise<void> {
    const doubt = this.#doubt;
    if (doubt === undefined) return;
    const { module } = this.#parts.device;
    const open = (await module.pending()).find(({ payId }) => equalBytes(payId, doubt.payId));
    if (open?.state === "in doubt") return;
    this.#doubt = undefined;
    const entry = (await module.log()).find(({ payId }) => equalBytes(payId, doubt.payId));
    if (entry?.outcome !== OUTCOME_COMMITTED) return;
    this.#received({ ...doubt, memo: null, confirmed: true });
  }
}

function addressOf(url: string, publicHost: string | undefined): string {
  if (publicHost === undefined) return url;
  const address = new URL(url);
  address.hostname = publicHost;
  return address.href;
}

function requestOf({ money, memo, device, random }: ReceptionParts, address: string): PaymentRequest | undefined {
  if (money === undefined) return undefined;
  const reference = toHex(randomBytes(random, REFERENCE_BYTES));
  return { address, payee: device.module.id, money, reference, ...(memo === undefined ? {} : { memo }) };
}
