// What a pool lies on is PmemPlaces' to say. Its public types (the doctor's report, and what
// MediumInfo is made of) belong to the library's face, so a user of PmemKV has them by its import.

@_exported import PmemPlaces
