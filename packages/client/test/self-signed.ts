/**
 * A certificate that no client trusts, and its key. Made with
 * `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost
 * -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.
 */
export const selfSigned = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg91CL1ZX7UGuUWarA
XNlHj8hVM9cdEK6hihSLpY4UYbahRANCAARh17vM4C5wre4h3TSXuq7nO9iPa6BM
zav/Yc4JJ1ICFJNiXyp9A3akehlr9vL4DZHlwVX8XmC+yrKlTB0l6ScC
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIURonF3BDLNN/GMEVyreG50h1GM9wwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjA1MDQzNVoYDzIxMjYxMTAy
MDUwNDM1WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARh17vM4C5wre4h3TSXuq7nO9iPa6BMzav/Yc4JJ1ICFJNiXyp9A3ak
ehlr9vL4DZHlwVX8XmC+yrKlTB0l6ScCo28wbTAdBgNVHQ4EFgQUEkei8iYvxY14
zK4fVrWSdpZQzRUwHwYDVR0jBBgwFoAUEkei8iYvxY14zK4fVrWSdpZQzRUwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgegVHAd+r+oH87LxdwMHtE0ccga8sM1780xq7kHwmxhoCIQDA
KWYRyw36i7uV7jUo9ikoyHb/IehQB+dH+HIw6ASjfA==
-----END CERTIFICATE-----`,
}
