/** Runs named checks one after another and says how each went. */

/** A check that takes longer hangs. */
const CHECK_MS_MAX = 60_000;

export class Checks {
  failed = 0;
  passed = 0;

  /** A text that `work` returns is a remark. */
  async run(name: string, work: () => Promise<unknown>, bound_ms = CHECK_MS_MAX): Promise<void> {
    const began_ms = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not done within ${bound_ms} ms`)), bound_ms);
    });
    try {
      const remark = await Promise.race([work(), late]);
      this.passed += 1;
      const took = `${Math.round(performance.now() - began_ms)} ms`;
      console.log(`ok ${name} (${typeof remark === "string" ? `${remark}; ${took}` : took})`);
    } catch (error) {
      this.failed += 1;
      console.log(`FAILED ${name}`);
      console.log(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Exit status. */
  end(): number {
    console.log(`checks ${this.passed} passed, ${this.failed} failed`);
    return this.failed === 0 && this.passed > 0 ? 0 : 1;
  }
}
