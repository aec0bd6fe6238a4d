/** A process that dies at a given step of what it does to the world outside it. */

/** The process is gone. */
export class Death extends Error {}

/** Counts what a process does to the world outside it, and dies before or after the one with this number. */
export class Mortal {
  #count = 0;

  constructor(
    readonly dies: number,
    readonly when: "before" | "after",
  ) {}

  /** One that does not. */
  static immortal(): Mortal {
    return new Mortal(Number.POSITIVE_INFINITY, "before");
  }

  async step<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    this.#die("before");
    try {
      return await work();
    } finally {
      this.#survive();
    }
  }

  stepNow<Result>(work: () => Result): Result {
    this.#die("before");
    try {
      return work();
    } finally {
      this.#survive();
    }
  }

  /** A step is done, also one that failed. */
  #survive(): void {
    this.#die("after");
    this.#count += 1;
  }

  #die(when: "before" | "after"): void {
    if (this.#count > this.dies || (this.#count === this.dies && this.when === when)) throw new Death();
  }

  get steps(): number {
    return this.#count;
  }
}
