// The variables that the examples and pages on these engines read.
declare namespace NodeJS {
  interface ProcessEnv {
    REDIS_URL?: string | undefined
    DATABASE_URL?: string | undefined
  }
}
