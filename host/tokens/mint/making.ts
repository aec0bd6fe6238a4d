/**
 * Purses are made one after the other: the largest takes seconds of the processor and 80 MB of memory, and whoever may ask for it may
 * ask again. Who asks for one that is being made shares it.
 */

export class Making<Made> {
  readonly #underWay = new Map<string, Promise<Made>>();
  #last: Promise<unknown> = Promise.resolve();

  /** `name`: the same for what is the same. Where it cannot be made, all who wait for it see the error. */
  make(name: string, work: () => Promise<Made>): Promise<Made> {
    const same = this.#underWay.get(name);
    if (same !== undefined) return same;
    const made = this.#last.then(work).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, made);
    this.#last = made.catch(() => {}); // Whoever waits sees it.
    return made;
  }
}
