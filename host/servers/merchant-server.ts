/** A merchant whose customers reach it over lines, as many at once as it has devices; others wait their turn. */

import { EventEmitter } from "node:events";
import type { Between, Merchant, ServeResult } from "../applications/merchant.js";
import type { Settlement } from "../applications/resume.js";
import { asError } from "../as-error.js";
import { Callers } from "../communications/callers.js";
import type { PeerLink } from "../communications/link.js";
import { LineServer } from "../communications/server.js";
import type { ServerPlace } from "./bank-server.js";
import { LINE, type LineParts } from "./purposes.js";

export interface MerchantServerEvents {
  /** A purchase or sale has ended, in whatever way. */
  served: [ServeResult];
  settled: [Settlement];
  /** A customer was not served, or left. */
  failed: [Error];
}

export class MerchantServer extends EventEmitter<MerchantServerEvents> {
  readonly #server: LineServer;
  readonly #merchant: Merchant;
  readonly #under = new Set<Promise<void>>();
  #isClosing = false;

  private constructor(server: LineServer, merchant: Merchant) {
    super();
    this.#server = server;
    this.#merchant = merchant;
  }

  static async open(merchant: Merchant, parts: LineParts, place: ServerPlace = {}): Promise<MerchantServer> {
    let open: MerchantServer | undefined;
    const callers = new Callers(parts.timers);
    const server = await LineServer.open({
      ...place,
      ...parts,
      purposes: [LINE.trade, LINE.resume],
      hasRoom: (_purpose, _query, address) => callers.hasRoom(address),
      // Who resumes may have to wait for one device, and keeps nobody from the others.
      onLine: (line, purpose, query, address) =>
        callers.serve(line, address, (link) => open?.take(link, purpose, betweenOf(query)), purpose),
    });
    open = new MerchantServer(server, merchant);
    return open;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Serves one customer to the end. */
  async take(link: PeerLink, purpose: string, between: Between = {}): Promise<void> {
    if (this.#isClosing) return link.close();
    const work = (purpose === LINE.resume ? this.#resume(link, between) : this.#serve(link)).catch((error) => {
      // Whoever could not be served need not wait to be.
      link.close();
      this.emit("failed", asError(error));
    });
    this.#under.add(work);
    await work.finally(() => this.#under.delete(work));
  }

  async #serve(line: PeerLink): Promise<void> {
    this.emit("served", await this.#merchant.serve(line));
  }

  async #resume(line: PeerLink, between: Between): Promise<void> {
    this.emit("settled", await this.#merchant.answerResume(line, between));
  }

  /** Takes no more customers, and is done with those that are there before their lines end. */
  async close(): Promise<void> {
    this.#isClosing = true;
    while (this.#under.size > 0) await Promise.all(this.#under);
    await this.#server.close();
  }
}

function betweenOf(query: URLSearchParams): Between {
  const [module, customer] = [query.get("module"), query.get("customer")];
  return { ...(module === null ? {} : { module }), ...(customer === null ? {} : { customer }) };
}
