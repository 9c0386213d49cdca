// Convoluted rubber bellows (shaft boot).
#include "studio.inc"
Studio(<-2.4, 3.9, -8.6>, <0.1, 1.6, 0>, 41, <1.05, 1.03, 0.98>)

#declare N = 6;                       // convolutions
#declare P = 0.44;                    // pitch
#macro Boot()
  union {
    lathe {
      cubic_spline 2*N + 6
      <1.20, -0.2>, <1.20, 0.0>, <1.20, 0.40>
      #local I = 0;
      #while (I < N)
        #local F = I/N;
        <1.50 - 0.62*F, 0.40 + P*(I + 0.5)>
        <1.02 - 0.52*F, 0.40 + P*(I + 1.0)>
        #local I = I + 1;
      #end
      <0.5, 0.40 + P*N + 0.2>, <0.5, 0.40 + P*N + 0.5>, <0.40, 0.40 + P*N + 0.52>
      sturm
    }
    torus { 1.17, 0.05 translate y*0.02 }
    torus { 0.45, 0.05 translate y*(0.40 + P*N + 0.48) }
    texture { Rubber }
  }
#end

object { Boot() translate <-1.05, 0, 0.5> }
object { Boot() rotate z*90 translate <1.6, 0, 0> rotate z*-17 rotate y*-38 translate <1.25, 1.25, -0.6> scale 0.85 }
