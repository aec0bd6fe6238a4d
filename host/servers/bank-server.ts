/** A bank's counter that other devices reach over lines: withdrawals, deposits, and settling what broke off. */

import { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Callers } from "../communications/callers.js";
import type { PeerLink } from "../communications/link.js";
import { LineServer } from "../communications/server.js";
import type { TellerService } from "../services/teller.js";
import { LINE, type LineParts, OWED_PATH, owedText } from "./purposes.js";

export interface BankServerEvents {
  /** A customer came. */
  line: [purpose: string];
}

export interface ServerPlace {
  /** Interface to listen at; by default loopback. */
  readonly host?: string;
  /** By default any that is free. */
  readonly port?: number;
  /** Where others find it, if not at the interface's own address: what the directory says. */
  readonly publicUrl?: string;
}

export class BankServer extends EventEmitter<BankServerEvents> {
  readonly #server: LineServer;
  readonly #teller: TellerService;
  #isClosing = false;

  private constructor(server: LineServer, teller: TellerService) {
    super();
    this.#server = server;
    this.#teller = teller;
  }

  static async open(teller: TellerService, parts: LineParts, place: ServerPlace = {}): Promise<BankServer> {
    let bank: BankServer | undefined;
    const callers = new Callers(parts.timers);
    const server = await LineServer.open({
      ...place,
      ...parts,
      purposes: [LINE.teller, LINE.resume],
      hasRoom: (_purpose, _query, address) => callers.hasRoom(address),
      onLine: (line, purpose, _query, address) => callers.serve(line, address, (link) => bank?.take(link, purpose)),
      onRequest: (request, response) => answerOwed(teller, request, response),
    });
    bank = new BankServer(server, teller);
    return bank;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Serves one customer to the end. */
  async take(link: PeerLink, purpose: string): Promise<void> {
    if (this.#isClosing) return link.close();
    this.emit("line", purpose);
    await (purpose === LINE.resume ? this.#teller.acceptResume(link) : this.#teller.accept(link));
  }

  /** Takes no more customers, and is done with those that are there before their lines end. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#teller.idle();
    await this.#server.close();
    await this.#teller.idle();
  }
}

async function answerOwed(teller: TellerService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://bank");
  const module = searchParams.get("module") ?? "";
  if (request.method !== "GET" || pathname !== OWED_PATH || !/^[0-9a-f]{32}$/.test(module)) {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end(`This port is for lines between Tallystick devices, and for GET ${OWED_PATH}?module=ID.\n`);
    return;
  }
  const text = owedText(await teller.refreshOwed(module));
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(text);
}
