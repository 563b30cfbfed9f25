/**
 * A self-signed certificate and its key, generated with
 * `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost
 * -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.
 */
export const untrustedCertificate = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+5Hk5yqMqAiooGrW
UWJp1Zg23c0c916dp5t3sU6zGuahRANCAARJtNvCsA9hRNxOW35px3rHgEdcf17T
vkPspWdC3EnXSq3j4RfFeA/KVCdN0HBdHbVnsOCtX4UeNHr8pw+SMRzv
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUbpA+tA3XKx2elrWre7A2tS85qEUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjA1MTU0OFoYDzIxMjYxMTAy
MDUxNTQ4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARJtNvCsA9hRNxOW35px3rHgEdcf17TvkPspWdC3EnXSq3j4RfFeA/K
VCdN0HBdHbVnsOCtX4UeNHr8pw+SMRzvo28wbTAdBgNVHQ4EFgQUJ7G9j+IF6W4h
IBEqtk5nJf+DgA4wHwYDVR0jBBgwFoAUJ7G9j+IF6W4hIBEqtk5nJf+DgA4wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAOMPB1yaFh4F82SNsPdGnkDVFMNUHncvU0r6kp0G7pEjAiAe
U/DKqlxsEwTzQ8l5jRR+zR4+PVOWHm1Rm/vuxrrSwA==
-----END CERTIFICATE-----`,
}
