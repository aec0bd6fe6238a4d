/** A server of one's own for a seller: the paywall, and behind it a handler. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Seller } from "../seller/seller.js";
import { sendRefusal } from "./bodies.js";
import { HttpServer } from "./http-server.js";
import { type PaywallOptions, paywall } from "./paywall.js";

export interface SellerServerOptions extends PaywallOptions {
  readonly host?: string;
  readonly port?: number;
  /** Answers what is paid, or free. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

const LIMITS = {
  head_ms_max: 10_000,
  request_ms_max: 30_000,
  /** A buyer waits as long as the seller waits for an issuer. */
  silence_ms_max: 310_000,
  connections_max: 1_024,
};

export class SellerServer {
  readonly #server: HttpServer;

  private constructor(server: HttpServer) {
    this.#server = server;
  }

  static async open(seller: Seller, options: SellerServerOptions): Promise<SellerServer> {
    const { handler } = options;
    const wall = paywall(seller, options);
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      wall(request, response, () => {
        Promise.resolve()
          .then(() => handler(request, response))
          .catch((error: unknown) => sendRefusal(response, error));
      });
    };
    return new SellerServer(await HttpServer.open(options, LIMITS, listener));
  }

  get url(): string {
    return this.#server.url;
  }

  close(): Promise<void> {
    return this.#server.close();
  }
}

export function serveSeller(seller: Seller, options: SellerServerOptions): Promise<SellerServer> {
  return SellerServer.open(seller, options);
}
