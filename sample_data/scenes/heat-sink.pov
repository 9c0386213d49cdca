// Cast aluminium heat sink with tapered fins.
#include "studio.inc"
Studio(<-4.6, 4.6, -7.4>, <0.0, 0.7, 0>, 40, <1, 1, 1>)

#declare W = 2.2; #declare D = 1.5;

difference {
  union {
    object { Round_Box_Union(<-W - 0.35, 0, -D>, <W + 0.35, 0.32, D>, 0.06) }
    #declare N = 13;
    #declare I = 0;
    #while (I < N)
      #declare X = -W + 0.1 + (2*W - 0.2)*I/(N - 1);
      prism {                      // fin with draft
        linear_spline -D + 0.03, D - 0.03, 7
        <-0.085, 0.3>, <-0.05, 1.75>, <-0.03, 1.79>, <0.03, 1.79>, <0.05, 1.75>, <0.085, 0.3>, <-0.085, 0.3>
        rotate x*-90
        scale <1, 1, -1>
        translate x*X
      }
      #declare I = I + 1;
    #end
  }
  // gap across the fins for a clip
  box { <-W - 0.4, 0.75, -0.22> <W + 0.4, 3, 0.22> }
  #declare I = -1;
  #while (I < 2)
    cylinder { <I*(W + 0.17), -1, -1.2>, <I*(W + 0.17), 1, -1.2>, 0.1 }
    cylinder { <I*(W + 0.17), -1, 1.2>, <I*(W + 0.17), 1, 1.2>, 0.1 }
    #declare I = I + 2;
  #end
  texture { Cast_Aluminium }
}
