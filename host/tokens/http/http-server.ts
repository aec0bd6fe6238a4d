/** An HTTP server that listens: what those of issuers and of sellers have alike. */

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { LinePortError } from "../../communications/server.js";
import type { ServerPlace } from "../../servers/bank-server.js";
import { limitPerAddress } from "../../servers/directory-server.js";

export interface HttpLimits {
  /** How long the head of a request may take to come, and all of it. */
  readonly head_ms_max: number;
  readonly request_ms_max: number;
  /** How long nothing may come and nothing go. */
  readonly silence_ms_max: number;
  readonly connections_max: number;
}

const CHECK_MS = 1_000;

export class HttpServer {
  readonly #server: Server;
  /** Without a path. */
  readonly url: string;

  private constructor(server: Server, host: string) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  }

  /** LinePortError where it cannot listen. */
  static async open(
    { host = "127.0.0.1", port = 0 }: ServerPlace,
    limits: HttpLimits,
    listener: RequestListener,
  ): Promise<HttpServer> {
    const { connections_max, head_ms_max, request_ms_max, silence_ms_max } = limits;
    const options = {
      headersTimeout: head_ms_max,
      requestTimeout: request_ms_max,
      connectionsCheckingInterval: CHECK_MS,
    };
    const server = createServer(options, listener);
    server.maxConnections = connections_max;
    server.setTimeout(silence_ms_max);
    limitPerAddress(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        reject(new LinePortError(`${host}:${port}`, error.code ?? error.message)),
      );
      server.listen(port, host, resolve);
    });
    return new HttpServer(server, host);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
