// The examples and the pages of these engines read their variables as an application does.
declare namespace NodeJS {
  interface ProcessEnv {
    REDIS_URL?: string | undefined
    DATABASE_URL?: string | undefined
  }
}
