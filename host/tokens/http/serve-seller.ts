/** A server of one's own for a seller: the paywall, and behind it a handler. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { LinePortError } from "../../communications/server.js";
import type { Seller } from "../seller/seller.js";
import { sendRefusal } from "./bodies.js";
import { type PaywallOptions, paywall } from "./paywall.js";

export interface SellerServerOptions extends PaywallOptions {
  readonly host?: string;
  readonly port?: number;
  /** Answers what is paid, or free. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

const HEAD_MS_MAX = 10_000;
const REQUEST_MS_MAX = 30_000;
/** Nothing comes and nothing goes: a buyer waits as long as the seller waits for an issuer. */
const SILENCE_MS_MAX = 310_000;
const CHECK_MS = 1_000;
const CONNECTIONS_MAX = 1_024;

export class SellerServer {
  readonly #server: Server;
  readonly url: string;

  private constructor(server: Server, host: string) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  static async open(seller: Seller, options: SellerServerOptions): Promise<SellerServer> {
    const { handler, host = "127.0.0.1", port = 0 } = options;
    const wall = paywall(seller, options);
    const limits = {
      headersTimeout: HEAD_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: CHECK_MS,
    };
    const server = createServer(limits, (request, response) => {
      wall(request, response, () => {
        Promise.resolve()
          .then(() => handler(request, response))
          .catch((error: unknown) => sendRefusal(response, error));
      });
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.setTimeout(SILENCE_MS_MAX);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(new LinePortError(`${host}:${port}`, error.code ?? error.message)),
      );
      server.listen(port, host, resolve);
    });
    return new SellerServer(server, host);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

export function serveSeller(seller: Seller, options: SellerServerOptions): Promise<SellerServer> {
  return SellerServer.open(seller, options);
}
