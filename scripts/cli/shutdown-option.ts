/** The option that bounds how long a command may take to end once it was told to. */
export const shutdownOption = {
  type: 'seconds',
  min: 0,
  max: 86_400,
  default: 10,
  describe: 'Seconds to finish what is in hand after a signal; then it ends with exit code 124',
} as const
